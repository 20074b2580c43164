"""Proximal policy optimisation with a reward model and a KL penalty for distance from the SFT policy (section 2.3)."""

from __future__ import annotations

import os

from transformers import PreTrainedTokenizerBase, TrainerCallback, set_seed
from trl.experimental.ppo import PPOConfig, PPOTrainer

from valuedrift.config.hyperparameters import PpoSettings
from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.training.devices import is_divided
from valuedrift.training.encode_rows import encode_prompts
from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.lora import policy
from valuedrift.training.scoring import scalar_model


def ppo_trainer(job: Job, callbacks: list[TrainerCallback]) -> PPOTrainer:
    """Sample answers to the preference set's prompts, score them, penalise KL(π‖π_SFT), minimise the clipped loss."""
    settings = job.settings
    assert isinstance(settings, PpoSettings)
    if is_divided():
        raise ConfigError(
            "training.ppo",
            "weights divided over devices (FSDP)",
            "whole weights: trl's PPO can't sample from divided ones",
            "Launch it with envs/accelerate/whole.yaml, as its rule does where the job has several GPUs, with `lora`"
            " where it doesn't fit one; GRPO and RLOO can be divided.",
        )
    # The trainer makes its own accelerator, which reads mixed precision from this variable only.
    os.environ["ACCELERATE_MIXED_PRECISION"] = "bf16" if settings.bf16 else "no"
    # The trainer shuffles its mini-batches with numpy's generator, which it doesn't seed.
    set_seed(job.seed)
    tokenizer = job.tokenizer()
    # All answers of a batch must begin at the same column.
    tokenizer.padding_side = "left"
    policy_model, value_model = policy(job), scalar_model(job)
    if settings.gradient_checkpointing:  # unlike the others, this trainer doesn't turn it on
        policy_model.activation_checkpointing_enable()
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
        model=policy_model,
        ref_model=job.model(),
        reward_model=scalar_model(job),
        value_model=value_model,
        train_dataset=dataset(job, [{"input_ids": ids} for ids in _prompts(job, tokenizer, settings)]),
        callbacks=callbacks,
    )


def _prompts(job: Job, tokenizer: PreTrainedTokenizerBase, settings: PpoSettings) -> list[list[int]]:
    rows = job.rows("prompt")
    if len(rows) < settings.batch_size:
        # The trainer drops short batches, and would wait forever for a full one.
        raise ArtifactError(job.data, f"{len(rows)} prompts", f"at least one batch of {settings.batch_size}")
    limit = settings.max_length - settings.response_length
    return encode_prompts(tokenizer, [row["prompt"] for row in rows], limit)
