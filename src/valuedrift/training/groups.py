"""Algorithms that compare several answers to one prompt by a reward model: GRPO and RLOO."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from valuedrift.config.hyperparameters import GroupSettings
from valuedrift.errors import ArtifactError
from valuedrift.training.encode_rows import render_prompt
from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.lora import policy
from valuedrift.training.scoring import reward


def grpo_trainer(job: Job, callbacks: list[TrainerCallback]) -> GRPOTrainer:
    """Group-relative policy optimisation (Shao et al., 2024).

    An answer's advantage is its reward less its group's mean, over the group's standard deviation; KL(π‖π_SFT) is part
    of the loss. Every answer weighs the same, whatever its length.
    """
    return _trainer(job, callbacks, GRPOTrainer, GRPOConfig, loss_type="grpo", use_bias_correction_kl=False)


def rloo_trainer(job: Job, callbacks: list[TrainerCallback]) -> RLOOTrainer:
    """REINFORCE leave-one-out (Ahmadian et al., 2024).

    An answer's advantage is its reward, less its KL penalty, less the mean of the group's other answers.
    """
    return _trainer(job, callbacks, RLOOTrainer, RLOOConfig)


def _trainer(job: Job, callbacks: list[TrainerCallback], kind: Any, config: Any, **own: Any) -> Any:
    settings, tokenizer = job.settings, job.tokenizer()
    assert isinstance(settings, GroupSettings)
    rows = job.rows("prompt")
    if len(rows) * settings.answers < settings.batch_size:
        # The trainer drops prompts that don't fill a batch, and would end without a step.
        needed = settings.batch_size // settings.answers
        raise ArtifactError(job.data, f"{len(rows)} prompts", f"at least the {needed} prompts of one batch")
    limit = settings.max_length - settings.response_length
    prompts = [{"prompt": render_prompt(tokenizer, row["prompt"], limit)} for row in rows]
    arguments = config(
        **trainer_arguments(job),
        **own,
        beta=settings.kl_coefficient,
        temperature=settings.temperature,
        num_generations=settings.answers,
        max_completion_length=settings.response_length,
    )
    return kind(
        model=policy(job),
        reward_funcs=reward(job, tokenizer),
        args=arguments,
        train_dataset=dataset(job, prompts),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
