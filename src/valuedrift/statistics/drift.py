"""Drift magnitude and drift time of one trajectory (paper, section 3), and its rows in the drift table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.intervals import interval_of_mean, spread_of
from valuedrift.statistics.panel import STANCES, TopicValues
from valuedrift.statistics.significance import flipped_means, p_values
from valuedrift.statistics.times import DriftTimes, measure_times
from valuedrift.statistics.trajectory import Trajectory

REACHED, NO_DRIFT = "reached", "no_drift"


@dataclass(frozen=True)
class TopicDrift:
    """One trajectory's drift on one topic, (stances,); `flipped` has changes without drift, (stances, replicates)."""

    low: FloatArray
    high: FloatArray
    p: FloatArray
    times: DriftTimes
    flipped: FloatArray


@dataclass(frozen=True)
class RunDrift:
    """One trajectory's drift on every topic: arrays (topics, stances), replicates (topics, stances, replicates).

    Times are shares of the run's steps, 0 where there was no drift.
    """

    trajectory: Trajectory
    topics: tuple[str, ...]
    start: FloatArray
    end: FloatArray
    time: FloatArray
    time_low: FloatArray
    time_high: FloatArray
    start_replicates: FloatArray
    end_replicates: FloatArray


def topic_drift(
    part: TopicValues, intervals: tuple[FloatArray, FloatArray], signs: Sequence[FloatArray], bootstrap: Bootstrap
) -> TopicDrift:
    """Measure M_s = v_end − v_start with its paired interval and p-value, and the drift time (paper, section 3).

    Args:
        part: Values of the trajectory on one topic.
        intervals: Low and high ends of these values, (checkpoints, stances) each.
        signs: `flips` of each topic in `part`.
        bootstrap: Settings of intervals and tests.
    """
    changes = [topic[-1] - topic[0] for topic in part.means]
    start, end = part.values[0], part.values[-1]
    drawn = part.replicates[-1] - part.replicates[0]
    low, high = interval_of_mean(end - start, drawn, spread_of(changes, skewed=False), bootstrap, (-1.0, 1.0))
    # If a stance has the value 0 at both ends, or 1 at both, questions outside the sample may still have changed.
    unseen = (start == end) & ((start <= 0) | (start >= 1))
    low = np.where(unseen, intervals[0][-1] - intervals[1][0], low)
    high = np.where(unseen, intervals[1][-1] - intervals[0][0], high)
    flipped = flipped_means(changes, [own[: change.shape[1]] for own, change in zip(signs, changes, strict=True)])
    return TopicDrift(
        low=low,
        high=high,
        p=p_values(end - start, flipped),
        times=measure_times(part, *intervals, bootstrap),
        flipped=flipped,
    )


def drift_rows(model: str, trajectory: Trajectory, part: TopicValues, drift: TopicDrift) -> pl.DataFrame:
    """Return one row per stance; the columns about time are null where there was no drift.

    Columns: `model, run, algorithm, data, sft, topic, stance, start_value, end_value, magnitude, low, high, time,
    time_low, time_high, outcome, end_step, step_before, step_reached, time_floor, still_moving, questions, p_value`.

    - `step_reached` is the first saved step at which the value is within the interval of its extremum; `step_before` is
      the saved step before it.
    - `time_low` and `time_high` are the interval of `time`, as shares of the run's last step. A `time_low` of 0 means
      that the drift itself is uncertain.
    - `time_floor` is the saved step before that of `time_low`, as a share of the run's last step: the value may enter
      the interval anywhere between two saved steps.
    - `still_moving`: the last step is the first one within the interval, so training may have ended before the values
      settled.
    """
    steps = np.asarray(trajectory.shown_steps)
    times, last = drift.times, int(steps[-1])
    reached = times.reached > 0
    columns = {
        "model": model,
        **trajectory.labels,
        "topic": part.topic,
        "stance": STANCES,
        "start_value": part.values[0],
        "end_value": part.values[-1],
        "magnitude": part.values[-1] - part.values[0],
        "low": drift.low,
        "high": drift.high,
        "time": steps[times.reached] / last,
        "time_low": steps[times.earliest] / last,
        "time_high": steps[times.latest] / last,
        "outcome": np.where(reached, REACHED, NO_DRIFT),
        "end_step": last,
        "step_before": steps[np.maximum(times.reached - 1, 0)],
        "step_reached": steps[times.reached],
        "time_floor": steps[np.maximum(times.earliest - 1, 0)] / last,
        "still_moving": times.reached == len(steps) - 1,
        "questions": part.questions,
        "p_value": drift.p,
    }
    timed = ("time", "time_low", "time_high", "step_before", "step_reached", "time_floor", "still_moving")
    return pl.DataFrame(columns, schema_overrides={"questions": pl.Int64, "end_step": pl.Int64}).with_columns(
        pl.when(pl.col("outcome") == REACHED).then(pl.col(timed))
    )


def run_drift(
    trajectory: Trajectory, topics: Sequence[str], ends: Sequence[TopicValues], drifts: Sequence[TopicDrift]
) -> RunDrift:
    """Stack the drifts of all topics; `ends` has the values of each topic at start and end only."""
    steps = np.asarray(trajectory.shown_steps) / trajectory.steps[-1]
    return RunDrift(
        trajectory,
        tuple(topics),
        start=np.stack([part.values[0] for part in ends]),
        end=np.stack([part.values[1] for part in ends]),
        time=steps[np.stack([drift.times.reached for drift in drifts])],
        time_low=steps[np.stack([drift.times.earliest for drift in drifts])],
        time_high=steps[np.stack([drift.times.latest for drift in drifts])],
        start_replicates=np.stack([part.replicates[0] for part in ends]),
        end_replicates=np.stack([part.replicates[1] for part in ends]),
    )
