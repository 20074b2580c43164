"""Proximal policy optimisation against a reward model, anchored to the SFT policy by a KL penalty (section 2.3)."""

from __future__ import annotations

from transformers import AutoModelForSequenceClassification, PreTrainedModel, TrainerCallback
from trl.experimental.ppo import PPOConfig, PPOTrainer

from valuedrift.errors import ArtifactError
from valuedrift.training.encode import encode_prompts
from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.settings import PpoSettings


def ppo_trainer(job: Job, callbacks: list[TrainerCallback]) -> PPOTrainer:
    """Sample answers to the preference set's prompts, score them, penalise KL(π‖π_SFT), update by the clipped loss."""
    settings = job.settings
    assert isinstance(settings, PpoSettings)
    tokenizer = job.tokenizer()
    # Prompts are read from the left edge of a batch: answers must begin at the same column.
    tokenizer.padding_side = "left"
    limit = settings.max_length - settings.response_length
    prompts = encode_prompts(tokenizer, [row["prompt"] for row in job.rows("prompt")], limit)
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
        model=job.model(),
        ref_model=job.model(),
        reward_model=_scalar_model(job),
        value_model=_scalar_model(job),
        train_dataset=dataset([{"input_ids": ids} for ids in prompts]),
        callbacks=callbacks,
    )


def _scalar_model(job: Job) -> PreTrainedModel:
    if job.reward_model is None:
        raise ArtifactError(job.folder, "no reward model", "PPO to be given the reward model trained on its data")
    return AutoModelForSequenceClassification.from_pretrained(job.reward_model, num_labels=1)
