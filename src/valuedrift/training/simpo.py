"""Simple preference optimisation (section 2.3)."""

from __future__ import annotations

from transformers import TrainerCallback
from trl.experimental.cpo import CPOConfig, CPOTrainer

from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.lora import policy
from valuedrift.training.pairs import text_pairs
from valuedrift.training.settings import SimpoSettings


def simpo_trainer(job: Job, callbacks: list[TrainerCallback]) -> CPOTrainer:
    """−log σ(β/|chosen| log π(chosen) − β/|rejected| log π(rejected) − γ), without a reference model."""
    settings = job.settings
    assert isinstance(settings, SimpoSettings)
    tokenizer = job.tokenizer()
    return CPOTrainer(
        model=policy(job),
        args=CPOConfig(
            **trainer_arguments(job),
            loss_type="simpo",
            # CPO's own likelihood term would make it another objective than SimPO's.
            cpo_alpha=0.0,
            beta=settings.beta,
            simpo_gamma=settings.gamma,
            max_length=settings.max_length,
            remove_unused_columns=False,
            disable_dropout=settings.lora is None,
        ),
        train_dataset=dataset(job, text_pairs(job, tokenizer)),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
