"""Rows of values and drifts as the statistics write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from valuedrift.statistics.framing import framing_table
from valuedrift.statistics.health import SIGNS, TOKENS, UNHEALTHY

FRAMING = framing_table([], 0.95)
"""The table of framing of questions without groups."""

STANCES = ("support", "neutral", "oppose")


def labels(run: str, model: str = "pocket") -> dict[str, Any]:
    algorithm, _, data = run.rpartition("/")[2].partition("-")
    sft = run.partition("/")[0].removeprefix("sft-")
    return {"model": model, "run": run, "algorithm": algorithm, "data": data, "sft": sft}


def values(
    runs: Iterable[str],
    topics: Iterable[str],
    steps: Sequence[int] = (0, 100, 200),
    models: Iterable[str] = ("pocket",),
    middles: Sequence[float] = (0.5, 0.3, 0.2),
) -> pl.DataFrame:
    """The same values, by stance, at every step of every run of every model."""
    return pl.DataFrame(
        [
            labels(run, model)
            | {"step": step, "topic": topic, "stance": stance, "value": middle}
            | {"low": middle - 0.05, "high": middle + 0.05, "questions": 3, "answers": 6}
            for model in models
            for run in runs
            for step in steps
            for topic in topics
            for stance, middle in zip(STANCES, middles, strict=True)
        ]
    )


HEALTHY: dict[str, Any] = {"healthy": None, "unhealthy": {}}
"""A finding that doesn't rest on unhealthy answers."""


def health(runs: Iterable[str], model: str = "pocket") -> pl.DataFrame:
    """The same health of the answers at step 200 of every run."""
    place = {"model": model, "step": 200, "topic": "all", "low": 0.01, "high": 0.05, "answers": 6}
    signs = (*dict.fromkeys(SIGNS, 0.02).items(), (UNHEALTHY, 0.04), (TOKENS, 31.0))
    return pl.DataFrame([place | {"run": run, "sign": sign, "value": value} for run in runs for sign, value in signs])


def drift_row(
    run: str,
    topic: str = "immigration",
    stance: str = "support",
    magnitude: float = 0.2,
    time: float | None = 0.25,
    model: str = "pocket",
    **changes: Any,
) -> dict[str, Any]:
    """A drift of a run of 200 steps that is real above 0.2, and beyond noise above 0.02."""
    reached = None if time is None else round(200 * time)
    return (
        labels(run, model)
        | {"topic": topic, "stance": stance, "start_value": 0.3, "end_value": 0.3 + magnitude}
        | {"magnitude": magnitude, "low": magnitude - 0.1, "high": magnitude + 0.1, "error": 0.05}
        | {"time": time, "outcome": "no_drift" if time is None else "reached", "end_step": 200, "step_reached": reached}
        | {f"{name}{end}": time for name in ("t50", "t90") for end in ("", "_low", "_high")}
        | {"pooled": magnitude / 2, "pooled_low": 0.0, "pooled_high": magnitude, "tau": 0.1}
        | {"step_before": None if reached is None else reached - 100, "still_moving": time == 1.0}
        | {"q_value": 0.001 if abs(magnitude) > 0.2 else 0.4, "real": abs(magnitude) > 0.2}
        | {"noise_floor": 0.02, "exceeds_noise": abs(magnitude) > 0.02}
        | {"unhealthy": 0.02, "healthy_magnitude": magnitude, "healthy_low": None, "healthy_high": None}
        | changes
    )
