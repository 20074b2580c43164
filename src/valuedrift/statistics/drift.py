"""Drift magnitude and drift time of every trajectory (paper, section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.panel import ALL, STANCES, Panel, TopicValues, each_topic_and_all, make_panel
from valuedrift.statistics.trajectory import Trajectory

REACHED, NO_DRIFT = "reached", "no_drift"

# Values closer than this are equal: a weighted mean of equal numbers differs from them in its last bits.
_EQUAL = 1e-12

_SCHEMA = {
    "model": pl.String,
    "run": pl.String,
    "algorithm": pl.String,
    "data": pl.String,
    "sft": pl.String,
    "topic": pl.String,
    "stance": pl.String,
    "start_value": pl.Float64,
    "end_value": pl.Float64,
    "magnitude": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "time": pl.Float64,
    "time_low": pl.Float64,
    "time_high": pl.Float64,
    "outcome": pl.String,
    "end_step": pl.Int64,
}


@dataclass(frozen=True)
class TopicDrift:
    """One trajectory's drift on one topic: arrays over stances, replicates (stances, replicates).

    `time` is 0 where there was no drift.
    """

    topic: str
    start: FloatArray
    end: FloatArray
    time: FloatArray
    start_replicates: FloatArray
    end_replicates: FloatArray
    time_replicates: FloatArray


@dataclass(frozen=True)
class RunDrift:
    """One trajectory's drift on every topic: arrays (topics, stances), replicates (topics, stances, replicates)."""

    trajectory: Trajectory
    topics: tuple[str, ...]
    start: FloatArray
    end: FloatArray
    time: FloatArray
    start_replicates: FloatArray
    end_replicates: FloatArray
    time_replicates: FloatArray


def drift_table(
    stances: pl.DataFrame, trajectories: Iterable[Trajectory], bootstrap: Bootstrap | None = None
) -> pl.DataFrame:
    """Drift of every trajectory: a row per run, topic ("all" is the mean over topics) and stance.

    magnitude: end − start, paired over the questions judged at every checkpoint of the trajectory.
    time: as in `drift_times`, a share of the run's last step. Where the start already lies within the
    extremum's interval, `outcome` is "no_drift" and the times are null; else it is "reached". A replicate
    without drift counts as time 0, so a `time_low` of 0 says that the drift itself is in doubt.
    Raises ArtifactError as `make_panel` and `topic_values` do.
    """
    bootstrap = bootstrap or Bootstrap()
    panel = make_panel(stances, bootstrap)
    rows = [
        _rows(panel, trajectory, part, bootstrap)
        for trajectory in trajectories
        for part in measure_drift(panel, trajectory, bootstrap)
    ]
    return pl.concat([pl.DataFrame(schema=_SCHEMA), *rows])


def measure_drift(panel: Panel, trajectory: Trajectory, bootstrap: Bootstrap) -> Iterator[TopicDrift]:
    """The drift of `trajectory` on each topic, then on "all"."""
    for part in each_topic_and_all(panel, trajectory.checkpoints):
        yield _topic_drift(part, trajectory.shown_steps, bootstrap)


def run_drift(panel: Panel, trajectory: Trajectory, bootstrap: Bootstrap) -> RunDrift:
    """`measure_drift` stacked over the topics, without "all"."""
    parts = [part for part in measure_drift(panel, trajectory, bootstrap) if part.topic != ALL]
    return RunDrift(
        trajectory,
        tuple(part.topic for part in parts),
        start=np.stack([part.start for part in parts]),
        end=np.stack([part.end for part in parts]),
        time=np.stack([part.time for part in parts]),
        start_replicates=np.stack([part.start_replicates for part in parts]),
        end_replicates=np.stack([part.end_replicates for part in parts]),
        time_replicates=np.stack([part.time_replicates for part in parts]),
    )


def drift_times(values: FloatArray, below: FloatArray, above: FloatArray, steps: Sequence[int]) -> FloatArray:
    """The share of a trajectory's steps until it first lies within the interval of its extremum.

    values: (checkpoints, stances, n), n trajectories with the start point first
    below, above: (checkpoints, stances), how far each checkpoint's interval reaches under and over its value
    steps: (checkpoints,), from 0 to the run's last step
    Returns (stances, n), 0 where the start itself lies within the interval (no drift).

    The extremum is the highest value if the net change is positive, the lowest if it is negative, and the
    earliest checkpoint of those that share it. A trajectory that ends where it began has not drifted,
    whatever it did in between. With a single checkpoint the share is 0 or 1.
    """
    change = values[-1] - values[0]
    direction = np.where(np.abs(change) <= _EQUAL, 0.0, np.sign(change))
    height = values * direction
    peak = height.max(axis=0)
    peak_at = _first(height >= peak - _EQUAL)
    stance = np.arange(values.shape[1])[:, None]
    margin = np.where(direction > 0, below[peak_at, stance], above[peak_at, stance])
    within = height >= peak - margin - _EQUAL
    return np.asarray(steps, dtype=np.float64)[_first(within)] / steps[-1]


def _topic_drift(part: TopicValues, steps: Sequence[int], bootstrap: Bootstrap) -> TopicDrift:
    low, high = bootstrap.interval(part.replicates)
    # A skewed percentile interval can miss its own value, which still lies within it by definition.
    below = np.maximum(part.values - low, 0)
    above = np.maximum(high - part.values, 0)
    return TopicDrift(
        topic=part.topic,
        start=part.values[0],
        end=part.values[-1],
        time=drift_times(part.values[..., None], below, above, steps)[:, 0],
        # Copies: a view would keep the replicates of every checkpoint in memory.
        start_replicates=part.replicates[0].copy(),
        end_replicates=part.replicates[-1].copy(),
        # The intervals' widths are held: a bootstrap within each replicate would square the work.
        time_replicates=drift_times(part.replicates, below, above, steps),
    )


def _first(condition: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.asarray(condition.argmax(axis=0))


def _rows(panel: Panel, trajectory: Trajectory, part: TopicDrift, bootstrap: Bootstrap) -> pl.DataFrame:
    low, high = bootstrap.interval(part.end_replicates - part.start_replicates)
    time_low, time_high = bootstrap.interval(part.time_replicates)
    columns = {
        "model": panel.model,
        **trajectory.labels,
        "topic": part.topic,
        "stance": STANCES,
        "start_value": part.start,
        "end_value": part.end,
        "magnitude": part.end - part.start,
        "low": low,
        "high": high,
        "time": part.time,
        "time_low": time_low,
        "time_high": time_high,
        "outcome": np.where(part.time > 0, REACHED, NO_DRIFT),
        "end_step": trajectory.steps[-1],
    }
    times = pl.when(pl.col("outcome") == REACHED).then(pl.col("time", "time_low", "time_high"))
    return pl.DataFrame(columns, schema=_SCHEMA).with_columns(times)
