"""The rows of the value table: the stances of every checkpoint of a trajectory."""

from __future__ import annotations

import numpy as np
import polars as pl

from valuedrift.statistics.bootstrap import FloatArray
from valuedrift.statistics.panel import STANCES, TopicValues
from valuedrift.statistics.trajectory import LABELS, Trajectory

SCHEMA = {
    **LABELS,
    "step": pl.Int64,
    "topic": pl.String,
    "stance": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "questions": pl.Int64,
    "answers": pl.Int64,
}


def value_rows(
    model: str, trajectory: Trajectory, part: TopicValues, intervals: tuple[FloatArray, FloatArray]
) -> pl.DataFrame:
    """Values (paper, equation 1) with their intervals: one row per step and stance; step 0 is the start point."""
    low, high = intervals
    steps = trajectory.shown_steps
    columns = {
        "model": model,
        **trajectory.labels,
        "step": np.repeat(steps, len(STANCES)),
        "topic": part.topic,
        "stance": STANCES * len(steps),
        "value": part.values.ravel(),
        "low": low.ravel(),
        "high": high.ravel(),
        "questions": part.questions,
        "answers": np.repeat(part.answers, len(STANCES)),
    }
    return pl.DataFrame(columns, schema=SCHEMA)
