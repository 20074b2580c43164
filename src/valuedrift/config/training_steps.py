"""How many optimiser steps a run takes, and at which of them its checkpoints are saved."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any


def total_steps(rows: int, settings: Mapping[str, Any], algorithm: str) -> int:
    """Optimiser steps of a run. An epoch's last batch may be short, but for three kinds of algorithms.

    PPO counts episodes over all epochs. KTO has two rows per pair. GRPO and RLOO put several answers to one prompt into
    a batch and drop the prompts that don't fill the last batch of an epoch.
    """
    batch, epochs = int(settings["batch_size"]), int(settings["epochs"])
    if algorithm == "ppo":
        return ceil(rows * epochs / batch)
    if "answers" in settings:
        return rows // (batch // int(settings["answers"])) * epochs
    return ceil((2 * rows if algorithm == "kto" else rows) / batch) * epochs


def saved_steps(total: int, every: int | None) -> tuple[int, ...]:
    """Every multiple of `every` below the end, and the end."""
    return (*range(every, total, every), total) if every else (total,)
