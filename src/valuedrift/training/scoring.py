"""Rewards of answers, for PPO, GRPO and RLOO."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from accelerate import PartialState
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from valuedrift.config.hyperparameters import RolloutSettings
from valuedrift.errors import ArtifactError
from valuedrift.training.inputs import require_same_model
from valuedrift.training.job import Job

Reward = Callable[..., list[float]]


def scalar_model(job: Job, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Load the run's reward model.

    Raises:
        ArtifactError: the run has none, or its folder is not whole.
    """
    if job.reward_model is None:
        raise ArtifactError(
            job.folder, "no reward model", f"{job.algorithm.upper()} to be given the reward model trained on its data"
        )
    require_same_model(job.reward_model, job.base)
    return job.load(job.reward_model, dtype, AutoModelForSequenceClassification, num_labels=1)


def reward(job: Job, tokenizer: PreTrainedTokenizerBase) -> Reward:
    """Return a function that computes r(x, y), minus a penalty for answers without an end token (the EOS trick).

    The reward model learned to give its score at the end token. trl would score the answers' text, without that token;
    this function scores the tokens themselves.
    """
    settings = job.settings
    assert isinstance(settings, RolloutSettings)
    model = scalar_model(job, torch.bfloat16 if settings.bf16 else torch.float32).to(PartialState().device).eval()

    def score(prompts: list[str], completion_ids: list[list[int]], **_: Any) -> list[float]:
        sequences = [tokenizer(prompt)["input_ids"] + ids for prompt, ids in zip(prompts, completion_ids, strict=True)]
        found: list[float] = []
        for start in range(0, len(sequences), settings.device_batch_size):
            found += _scores(model, sequences[start : start + settings.device_batch_size], tokenizer.pad_token_id)
        ended = [ids[-1] == tokenizer.eos_token_id for ids in completion_ids]
        return [r if end else r - settings.missing_eos_penalty for r, end in zip(found, ended, strict=True)]

    return score


@torch.no_grad()
def _scores(model: PreTrainedModel, sequences: list[list[int]], padding: int) -> list[float]:
    """Return the score at each sequence's last token, in the sequences' order."""
    longest = max(map(len, sequences))
    ids = torch.tensor([s + [padding] * (longest - len(s)) for s in sequences], device=model.device)
    mask = torch.tensor([[1] * len(s) + [0] * (longest - len(s)) for s in sequences], device=model.device)
    hidden = model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
    last = hidden[torch.arange(len(sequences)), mask.sum(dim=1) - 1]
    scores: list[float] = model.score(last)[:, 0].float().tolist()
    return scores
