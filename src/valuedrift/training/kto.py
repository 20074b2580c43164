"""Kahneman-Tversky optimisation (Ethayarajh et al., 2024): answers that are good or bad, not compared with another."""

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
    """1 − σ(β(r − z)) for chosen answers, 1 − σ(β(z − r)) for rejected ones, with r = log π/π_ref.

    z is the batch's estimate of KL(π‖π_ref), from answers paired with their neighbour's prompt in the device batch: the
    one algorithm whose result depends on `device_batch_size` beyond rounding.
    """
    settings = job.settings
    assert isinstance(settings, KtoSettings)
    rows = partial(_unpaired, seed=job.seed)
    return referenced_trainer(job, callbacks, KTOTrainer, KTOConfig, rows, beta=settings.beta)


def _unpaired(pairs: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Two rows per pair, shuffled by the seed: the trainer doesn't shuffle."""
    rows = [
        {"prompt": pair["prompt"], "completion": pair[key], "label": key == "chosen"}
        for pair in pairs
        for key in ("chosen", "rejected")
    ]
    Random(seed).shuffle(rows)
    return rows
