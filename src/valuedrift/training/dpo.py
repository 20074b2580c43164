"""Direct preference optimisation (section 2.3)."""

from __future__ import annotations

from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer

from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.pairs import text_pairs
from valuedrift.training.settings import DpoSettings


def dpo_trainer(job: Job, callbacks: list[TrainerCallback]) -> DPOTrainer:
    """−log σ(β log π/π_ref(chosen) − β log π/π_ref(rejected)); the reference is the checkpoint the run starts from."""
    settings = job.settings
    assert isinstance(settings, DpoSettings)
    tokenizer = job.tokenizer()
    return DPOTrainer(
        model=job.model(),
        ref_model=job.model(),
        args=DPOConfig(
            **trainer_arguments(job),
            beta=settings.beta,
            loss_type=["sigmoid"],
            max_length=settings.max_length,
            precompute_ref_log_probs=True,
        ),
        train_dataset=dataset(text_pairs(job, tokenizer)),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
