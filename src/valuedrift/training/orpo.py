"""Odds-ratio preference optimisation (Hong et al., 2024)."""

from __future__ import annotations

from transformers import TrainerCallback
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from valuedrift.config.hyperparameters import OrpoSettings
from valuedrift.training.job import Job
from valuedrift.training.pairs import unreferenced_trainer


def orpo_trainer(job: Job, callbacks: list[TrainerCallback]) -> ORPOTrainer:
    """Minimise −log p(prompt, chosen) per token − β log σ(log odds(chosen) − log odds(rejected)).

    There is no reference model. The odds are those of the answers' mean token probability. Unlike the ORPO paper's
    formula, and like its published code, trl's likelihood term also counts the prompt's tokens.
    """
    assert isinstance(job.settings, OrpoSettings)
    return unreferenced_trainer(job, callbacks, ORPOTrainer, ORPOConfig, beta=job.settings.beta)
