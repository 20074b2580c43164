"""Direct preference optimisation (section 2.3), and the trainer that it shares with IPO."""

from __future__ import annotations

from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer

from valuedrift.config.hyperparameters import DpoSettings
from valuedrift.training.job import Job
from valuedrift.training.pairs import referenced_trainer


def dpo_trainer(job: Job, callbacks: list[TrainerCallback]) -> DPOTrainer:
    """−log σ(β log π/π_ref(chosen) − β log π/π_ref(rejected)); the reference is the checkpoint the run starts from."""
    assert isinstance(job.settings, DpoSettings)
    return reference_trainer(job, callbacks, job.settings.beta, "sigmoid")


def reference_trainer(job: Job, callbacks: list[TrainerCallback], beta: float, loss: str) -> DPOTrainer:
    """trl's DPO trainer with one of its losses, on log π/π_ref of chosen and rejected answers."""
    return referenced_trainer(job, callbacks, DPOTrainer, DPOConfig, beta=beta, loss_type=[loss])
