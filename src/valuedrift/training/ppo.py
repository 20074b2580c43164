"""Proximal policy optimisation against a reward model, anchored to the SFT policy by a KL penalty (section 2.3)."""

from __future__ import annotations

import os

import torch
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    set_seed,
)
from trl.experimental.ppo import PPOConfig, PPOTrainer

from valuedrift.errors import ArtifactError
from valuedrift.training.checkpoints import require_model
from valuedrift.training.encode import encode_prompts
from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.settings import PpoSettings


def ppo_trainer(job: Job, callbacks: list[TrainerCallback]) -> PPOTrainer:
    """Sample answers to the preference set's prompts, score them, penalise KL(π‖π_SFT), update by the clipped loss."""
    settings = job.settings
    assert isinstance(settings, PpoSettings)
    # The trainer makes an accelerator of its own, which hears of mixed precision in this way only.
    os.environ["ACCELERATE_MIXED_PRECISION"] = "bf16" if settings.bf16 else "no"
    # The trainer shuffles its mini-batches by numpy's generator, which it doesn't seed.
    set_seed(job.seed)
    tokenizer = job.tokenizer()
    # Prompts are read from the left edge of a batch: answers must begin at the same column.
    tokenizer.padding_side = "left"
    policy, value_model = job.model(), _scalar_model(job)
    if settings.gradient_checkpointing:  # which this trainer, unlike the others, leaves to its caller
        policy.activation_checkpointing_enable()
        value_model.activation_checkpointing_enable()
    return PPOTrainer(
        args=PPOConfig(
            **trainer_arguments(job),
            kl_coef=settings.kl_coefficient,
            temperature=settings.temperature,
            missing_eos_penalty=settings.missing_eos_penalty,
            response_length=settings.response_length,
            stop_token="eos",
            num_ppo_epochs=settings.ppo_epochs,
            local_rollout_forward_batch_size=settings.device_batch_size,
            num_sample_generations=0,
        ),
        processing_class=tokenizer,
        model=policy,
        ref_model=job.model(),
        reward_model=_scalar_model(job),
        value_model=value_model,
        train_dataset=dataset([{"input_ids": ids} for ids in _prompts(job, tokenizer, settings)]),
        callbacks=callbacks,
    )


def _prompts(job: Job, tokenizer: PreTrainedTokenizerBase, settings: PpoSettings) -> list[list[int]]:
    rows = job.rows("prompt")
    if len(rows) < settings.batch_size:
        # The trainer drops short batches, and would wait for a full one for ever.
        raise ArtifactError(job.data, f"{len(rows)} prompts", f"at least one batch of {settings.batch_size}")
    limit = settings.max_length - settings.response_length
    return encode_prompts(tokenizer, [row["prompt"] for row in rows], limit)


def _scalar_model(job: Job) -> PreTrainedModel:
    if job.reward_model is None:
        raise ArtifactError(job.folder, "no reward model", "PPO to be given the reward model trained on its data")
    require_model(job.reward_model)
    return AutoModelForSequenceClassification.from_pretrained(job.reward_model, num_labels=1, dtype=torch.float32)
