"""Every trainer's loss on one batch against the paper's formulas (section 2), from the model's log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from valuedrift.training.dpo import dpo_trainer
from valuedrift.training.job import Job
from valuedrift.training.reward import reward_trainer
from valuedrift.training.sft import sft_trainer
from valuedrift.training.simpo import simpo_trainer

WHOLE = {"batch_size": 6, "device_batch_size": 6, "max_length": 96, "response_length": 48}
Row = dict[str, Any]
MakeJob = Callable[..., Job]


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def rows(file: Path) -> list[Row]:
    return pl.read_parquet(file).to_dicts()


def prompt_of(row: Row) -> str:
    return f"<|user|>{(row.get('prompt') or row['messages'])[0]['content']}<|assistant|>"


def answer_of(row: Row, key: str) -> str:
    return f"{row[key][-1]['content']}<|end|>"


class Scorer:
    """Log-probabilities of answers, one at a time and without padding."""

    def __init__(self, folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        self.model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.tokenizer = tokenizer

    @torch.no_grad()
    def __call__(self, prompt: str, answer: str) -> tuple[float, int]:
        """log π(answer | prompt), summed over the answer's tokens, and their number."""
        before, after = (self.tokenizer(text)["input_ids"] for text in (prompt, answer))
        logits = self.model(torch.tensor([before + after])).logits[0].double()
        predicted = torch.log_softmax(logits, dim=-1)[len(before) - 1 : -1]
        return sum(predicted[i, token].item() for i, token in enumerate(after)), len(after)


def loss_on_all_rows(trainer: Any, weights: Path | None = None) -> float:
    """What the trainer would minimise on a batch of the whole data set; with other weights than it started from."""
    (batch,) = list(trainer.get_train_dataloader())
    if weights:
        trainer.model.load_state_dict(AutoModelForCausalLM.from_pretrained(weights).state_dict())
    with torch.no_grad():
        return float(trainer.compute_loss(trainer.model, batch))


def test_sft_is_the_mean_negative_log_likelihood_of_answer_tokens(
    make_job: MakeJob, data: dict[str, Path], base: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    score = Scorer(base, tokenizer)
    scores = [score(prompt_of(row), answer_of(row, "messages")) for row in rows(data["sft"])]
    expected = -sum(total for total, _ in scores) / sum(count for _, count in scores)
    assert loss_on_all_rows(sft_trainer(make_job("sft", **WHOLE), [])) == pytest.approx(expected, rel=1e-5)


def test_dpo_compares_log_ratios_to_the_starting_checkpoint(
    make_job: MakeJob, data: dict[str, Path], base: Path, other: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    policy, reference = Scorer(other, tokenizer), Scorer(base, tokenizer)

    def ratio(row: Row, key: str) -> float:
        words = prompt_of(row), answer_of(row, key)
        return policy(*words)[0] - reference(*words)[0]

    for beta in (0.1, 0.5):
        terms = [log_sigmoid(beta * ratio(row, "chosen") - beta * ratio(row, "rejected")) for row in rows(data["dpo"])]
        found = loss_on_all_rows(dpo_trainer(make_job("dpo", beta=beta, **WHOLE), []), weights=other)
        assert found == pytest.approx(-sum(terms) / len(terms), rel=1e-4)


def test_dpo_starts_from_no_preference(make_job: MakeJob) -> None:
    assert loss_on_all_rows(dpo_trainer(make_job("dpo", **WHOLE), [])) == pytest.approx(math.log(2), rel=1e-6)


@pytest.mark.parametrize(("beta", "gamma"), [(0.5, 0.7), (2.0, 0.5), (2.0, 0.0)])
def test_simpo_compares_mean_log_probabilities_to_a_margin_and_nothing_else(
    make_job: MakeJob, data: dict[str, Path], base: Path, tokenizer: PreTrainedTokenizerBase, beta: float, gamma: float
) -> None:
    score = Scorer(base, tokenizer)

    def mean(row: Row, key: str) -> float:
        total, count = score(prompt_of(row), answer_of(row, key))
        return total / count

    pairs = rows(data["simpo"])
    terms = [log_sigmoid(beta * mean(row, "chosen") - beta * mean(row, "rejected") - gamma) for row in pairs]
    found = loss_on_all_rows(simpo_trainer(make_job("simpo", beta=beta, gamma=gamma, **WHOLE), []))
    assert found == pytest.approx(-sum(terms) / len(terms), rel=1e-5)


def test_the_reward_model_is_bradley_terry_on_the_score_of_the_end_token(
    make_job: MakeJob, data: dict[str, Path], tokenizer: PreTrainedTokenizerBase
) -> None:
    trainer = reward_trainer(make_job("reward", **WHOLE), [])
    trainer.model.score.weight.data.mul_(20)

    @torch.no_grad()
    def reward(row: Row, key: str) -> float:
        ids = tokenizer(prompt_of(row) + answer_of(row, key))["input_ids"]
        assert ids[-1] == tokenizer.eos_token_id
        last = trainer.model.model(torch.tensor([ids])).last_hidden_state[0, -1]
        return float(last @ trainer.model.score.weight[0])

    terms = [log_sigmoid(reward(row, "chosen") - reward(row, "rejected")) for row in rows(data["reward"])]
    assert loss_on_all_rows(trainer) == pytest.approx(-sum(terms) / len(terms), rel=1e-5)


def test_the_reward_model_starts_from_the_checkpoints_backbone_and_a_seeded_head(make_job: MakeJob, base: Path) -> None:
    start = AutoModelForCausalLM.from_pretrained(base).model.state_dict()
    heads = []
    for seed in (0, 0, 1):
        model = reward_trainer(make_job("reward", job={"seed": seed}), []).model
        assert all(torch.equal(weight, start[name]) for name, weight in model.model.state_dict().items())
        heads.append(model.score.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])
