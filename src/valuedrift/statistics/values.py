"""The value table: what every checkpoint of every trajectory stands for."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.panel import STANCES, Panel, TopicValues, each_topic_and_all, make_panel
from valuedrift.statistics.trajectory import Trajectory

_SCHEMA = {
    "model": pl.String,
    "run": pl.String,
    "algorithm": pl.String,
    "data": pl.String,
    "sft": pl.String,
    "step": pl.Int64,
    "topic": pl.String,
    "stance": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "questions": pl.Int64,
    "answers": pl.Int64,
}


def value_table(
    stances: pl.DataFrame, trajectories: Iterable[Trajectory], bootstrap: Bootstrap | None = None
) -> pl.DataFrame:
    """Values (paper, equation 1) with their intervals: a row per run, topic, step and stance.

    A question's answers are averaged first, then the questions; topic "all" is the unweighted mean over the
    topics of `stances`. Step 0 is the trajectory's start point. A trajectory's values all stand on the
    questions judged at each of its checkpoints (`questions` of them, with `answers` judged answers at that
    step), so that its differences are those of the drift table. Raises ArtifactError as `make_panel` and
    `topic_values` do.
    """
    bootstrap = bootstrap or Bootstrap()
    panel = make_panel(stances, bootstrap)
    rows = [
        _rows(panel, trajectory, part, bootstrap)
        for trajectory in trajectories
        for part in each_topic_and_all(panel, trajectory.checkpoints)
    ]
    return pl.concat([pl.DataFrame(schema=_SCHEMA), *rows])


def _rows(panel: Panel, trajectory: Trajectory, part: TopicValues, bootstrap: Bootstrap) -> pl.DataFrame:
    low, high = bootstrap.interval(part.replicates)
    steps = trajectory.shown_steps
    columns = {
        "model": panel.model,
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
    return pl.DataFrame(columns, schema=_SCHEMA)
