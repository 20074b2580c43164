"""Identity preference optimisation (Azar et al., 2023)."""

from __future__ import annotations

from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer

from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.lora import policy
from valuedrift.training.pairs import asked_beforehand, reference, text_pairs
from valuedrift.training.settings import IpoSettings


def ipo_trainer(job: Job, callbacks: list[TrainerCallback]) -> DPOTrainer:
    """(h(chosen) − h(rejected) − 1/(2β))² with h = log π/π_ref per token, as its authors confirmed to trl."""
    settings = job.settings
    assert isinstance(settings, IpoSettings)
    tokenizer = job.tokenizer()
    trainer = DPOTrainer(
        model=policy(job),
        ref_model=reference(job),
        args=DPOConfig(
            **trainer_arguments(job),
            beta=settings.beta,
            loss_type=["ipo"],
            max_length=settings.max_length,
            precompute_ref_log_probs=asked_beforehand(),
            disable_dropout=settings.lora is None,
        ),
        train_dataset=dataset(job, text_pairs(job, tokenizer)),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
    if asked_beforehand():
        (trainer.ref_model,) = trainer.accelerator.free_memory(trainer.ref_model)
    return trainer
