"""Odds-ratio preference optimisation (Hong et al., 2024)."""

from __future__ import annotations

from transformers import TrainerCallback
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.lora import policy
from valuedrift.training.pairs import text_pairs
from valuedrift.training.settings import OrpoSettings


def orpo_trainer(job: Job, callbacks: list[TrainerCallback]) -> ORPOTrainer:
    """−log p(prompt, chosen) per token − β log σ(log odds(chosen) − log odds(rejected)), without a reference model.

    The odds are those of the answers' mean token probability. Unlike the ORPO paper's formula, and like its published
    code, trl's likelihood term counts the prompt's tokens as well.
    """
    settings = job.settings
    assert isinstance(settings, OrpoSettings)
    tokenizer = job.tokenizer()
    return ORPOTrainer(
        model=policy(job),
        args=ORPOConfig(
            **trainer_arguments(job),
            beta=settings.beta,
            max_length=settings.max_length,
            remove_unused_columns=False,
            disable_dropout=settings.lora is None,
        ),
        train_dataset=dataset(job, text_pairs(job, tokenizer)),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
