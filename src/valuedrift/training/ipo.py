"""Identity preference optimisation (Azar et al., 2023)."""

from __future__ import annotations

from transformers import TrainerCallback
from trl import DPOTrainer

from valuedrift.config.hyperparameters import IpoSettings
from valuedrift.training.dpo import reference_trainer
from valuedrift.training.job import Job


def ipo_trainer(job: Job, callbacks: list[TrainerCallback]) -> DPOTrainer:
    """Minimise (h(chosen) − h(rejected) − 1/(2β))², h = log π/π_ref per token, as IPO's authors confirmed to trl."""
    assert isinstance(job.settings, IpoSettings)
    return reference_trainer(job, callbacks, job.settings.beta, "ipo")
