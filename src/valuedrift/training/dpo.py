"""Direct preference optimisation (section 2.3), and the trainer that it shares with IPO."""

from __future__ import annotations

from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer

from valuedrift.config.hyperparameters import DpoSettings
from valuedrift.training.job import Job, dataset, trainer_arguments
from valuedrift.training.lora import policy
from valuedrift.training.pairs import free_reference, precomputes_reference, reference, text_pairs


def dpo_trainer(job: Job, callbacks: list[TrainerCallback]) -> DPOTrainer:
    """−log σ(β log π/π_ref(chosen) − β log π/π_ref(rejected)); the reference is the checkpoint the run starts from."""
    assert isinstance(job.settings, DpoSettings)
    return reference_trainer(job, callbacks, job.settings.beta, "sigmoid")


def reference_trainer(job: Job, callbacks: list[TrainerCallback], beta: float, loss: str) -> DPOTrainer:
    """trl's DPO trainer with one of its losses, on log π/π_ref of chosen and rejected answers."""
    settings, tokenizer = job.settings, job.tokenizer()
    trainer = DPOTrainer(
        model=policy(job),
        ref_model=reference(job),
        args=DPOConfig(
            **trainer_arguments(job),
            beta=beta,
            loss_type=[loss],
            max_length=settings.max_length,
            precompute_ref_log_probs=precomputes_reference(),
            disable_dropout=settings.lora is None,
        ),
        train_dataset=dataset(job, text_pairs(job, tokenizer)),
        processing_class=tokenizer,
        callbacks=callbacks,
    )
    free_reference(trainer)
    return trainer
