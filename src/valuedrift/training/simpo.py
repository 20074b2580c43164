"""Simple preference optimisation (section 2.3)."""

from __future__ import annotations

from transformers import TrainerCallback
from trl.experimental.cpo import CPOConfig, CPOTrainer

from valuedrift.config.hyperparameters import SimpoSettings
from valuedrift.training.job import Job
from valuedrift.training.pairs import unreferenced_trainer


def simpo_trainer(job: Job, callbacks: list[TrainerCallback]) -> CPOTrainer:
    """Minimise −log σ(β/|chosen| log π(chosen) − β/|rejected| log π(rejected) − γ), without a reference model."""
    settings = job.settings
    assert isinstance(settings, SimpoSettings)
    # CPO's own likelihood term (cpo_alpha) is not part of SimPO's objective.
    own = {"loss_type": "simpo", "cpo_alpha": 0.0, "beta": settings.beta, "simpo_gamma": settings.gamma}
    return unreferenced_trainer(job, callbacks, CPOTrainer, CPOConfig, **own)
