"""Phases of a run's lineage, titles of algorithms, and numbers with their intervals as text."""

from __future__ import annotations

from dataclasses import dataclass

from valuedrift.errors import DataError

_ALGORITHMS = {"sft": "SFT", "ppo": "PPO", "dpo": "DPO", "simpo": "SimPO"}


@dataclass(frozen=True)
class Phase:
    """One phase of a run's lineage: an algorithm on a data set, or a found stage, which has no data set."""

    algorithm: str
    data: str


def phases(run: str) -> tuple[Phase, ...]:
    """Return the phases of a lineage such as `sft-chats/dpo-pairs`, in order. Raises DataError for other texts."""
    parts = [part.partition("-") for part in run.split("/")]
    if not all(algorithm and (data or not hyphen) for algorithm, hyphen, data in parts):
        raise DataError("drift", None, "run", run, "a lineage such as sft-chats/dpo-pairs")
    return tuple(Phase(algorithm, data) for algorithm, _, data in parts)


def algorithm_title(algorithm: str) -> str:
    """Return the title of an algorithm or of a found stage."""
    return _ALGORITHMS.get(algorithm, algorithm.upper().replace("_", " "))


def with_interval(value: float, low: float, high: float, form: str = ".2f") -> str:
    """Return a text such as `−0.21 (−0.30 to 0.00)`, with real minus signs, and no sign before zero."""
    shown = (f"{number:z{form}}".replace("-", "−") for number in (value, low, high))
    return "{} ({} to {})".format(*shown)
