"""Kahneman-Tversky optimisation (Ethayarajh et al., 2024), on single answers that are labelled good or bad."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from transformers import TrainerCallback
from trl import KTOConfig, KTOTrainer

from valuedrift.config.hyperparameters import KtoSettings
from valuedrift.training.job import Job
from valuedrift.training.pairs import referenced_trainer


def kto_trainer(job: Job, callbacks: list[TrainerCallback]) -> KTOTrainer:
    """Minimise 1 − σ(β(r − z)) for chosen and 1 − σ(β(z − r)) for rejected answers, with r = log π/π_ref.

    z is the batch's estimate of KL(π‖π_ref), from answers paired with their neighbour's prompt in the device batch. KTO
    is the only algorithm whose result depends on `device_batch_size` by more than rounding.
    """
    settings = job.settings
    assert isinstance(settings, KtoSettings)
    rows = partial(_unpaired, seed=job.seed)
    return referenced_trainer(job, callbacks, KTOTrainer, KTOConfig, rows, beta=settings.beta)


def _unpaired(pairs: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Return two rows per pair, shuffled by the seed, since the trainer doesn't shuffle."""
    rows = [
        {"prompt": pair["prompt"], "completion": pair[key], "label": key == "chosen"}
        for pair in pairs
        for key in ("chosen", "rejected")
    ]
    Random(seed).shuffle(rows)
    return rows
