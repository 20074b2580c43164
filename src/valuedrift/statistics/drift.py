"""Drift magnitude and drift time of one trajectory (paper, section 3), and its rows in the drift table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.intervals import Spread, interval_of_mean, spread_of
from valuedrift.statistics.panel import STANCES, TopicValues
from valuedrift.statistics.significance import flipped_means, sign_flip_p
from valuedrift.statistics.times import SHARES, TIMED, Crossing, crossing, drift_times
from valuedrift.statistics.trajectory import Trajectory

REACHED, NO_DRIFT, UNCLEAR = "reached", "no_drift", "unclear"

_TIMED = ("time", "step_before", "step_reached", "still_moving")
_CROSSED = tuple(f"{name}{end}" for name in SHARES for end in ("", "_low", "_high"))


@dataclass(frozen=True)
class TopicDrift:
    """One trajectory's drift on one topic, (stances,).

    Attributes:
        low: Low end of the magnitude's interval.
        high: High end.
        error: Standard error of the magnitude; NaN with a single question.
        p: p-value of the paired test.
        reached: The paper's drift time as a checkpoint's index; 0 if the start is within the extremum's margin.
        crossings: Names in SHARES → the crossing time of each stance; None where the change is not significant.
        flipped: Changes without drift, (stances, replicates).
    """

    low: FloatArray
    high: FloatArray
    error: FloatArray
    p: FloatArray
    reached: NDArray[np.intp]
    crossings: Mapping[str, list[Crossing | None]]
    flipped: FloatArray


@dataclass(frozen=True)
class RunDrift:
    """One trajectory's drift on every topic: arrays (topics, stances), replicates (topics, stances, replicates).

    Attributes:
        trajectory: The run.
        topics: Its topics.
        start: Values at the start.
        end: Values at the end.
        start_replicates: Their replicates.
        end_replicates: Their replicates.
        questions: What each value is a mean of, start and end per topic, (2, stances, questions). All runs have the
            same questions: where a run lacks one, it has the run's own mean, and the others count for it.
        answers: The fewest answers per question.
        moved: When half of the run's whole movement is done; None if nothing moved at all (see `movement`).
    """

    trajectory: Trajectory
    topics: tuple[str, ...]
    start: FloatArray
    end: FloatArray
    start_replicates: FloatArray
    end_replicates: FloatArray
    questions: tuple[FloatArray, ...]
    answers: float
    moved: Crossing | None


def magnitude(
    part: TopicValues, bootstrap: Bootstrap, start: int = 0, end: int = -1
) -> tuple[FloatArray, FloatArray, FloatArray, Spread]:
    """Return M_s = v_end − v_start between two checkpoints, the ends of its interval, (stances,), and its spread."""
    spread = spread_of([topic[end] - topic[start] for topic in part.means], skewed=False, answers=part.per_question)
    value, drawn = part.values[end] - part.values[start], part.replicates[end] - part.replicates[start]
    low, high = interval_of_mean(value, drawn, spread, bootstrap, (-1.0, 1.0))
    # If a stance has the value 0 at both ends, or 1 at both, other questions may still have changed, by as much as the
    # interval of either value is wide (see `interval_of_mean`).
    unseen = (value == 0) & ((part.values[end] <= 0) | (part.values[end] >= 1)) & np.isfinite(spread.variance)
    reach = 1 - ((1 - bootstrap.level) / 2) ** (1 / part.questions)
    return value, np.where(unseen, -reach, low), np.where(unseen, reach, high), spread


def topic_drift(
    part: TopicValues,
    steps: Sequence[int],
    values_spread: Spread,
    signs: Sequence[FloatArray],
    bootstrap: Bootstrap,
) -> TopicDrift:
    """Measure M_s with its interval (`magnitude`) and p-value, and when it happens (paper, section 3).

    Args:
        part: Values of the trajectory on one topic.
        steps: Steps of its checkpoints.
        values_spread: The spread of these values.
        signs: `flips` of each topic in `part`.
        bootstrap: Settings of intervals and tests.
    """
    moved, low, high, spread = magnitude(part, bootstrap)
    changes = [topic[-1] - topic[0] for topic in part.means]
    p = sign_flip_p(changes)
    timed = (p <= 1 - bootstrap.level) & np.isfinite(spread.variance) & (moved != 0)
    # Without any scatter all replicates are equal, and their width doesn't matter.
    ratio = np.divide(spread.variance, spread.drawn, out=np.ones(len(STANCES)), where=timed & (spread.drawn > 0))
    wider = np.sqrt(ratio)
    crossings = {
        name: [
            crossing(
                part.values[:, s], part.replicates[:, s], share, steps, (float(spread.freedom[s]), float(wider[s]))
            )
            if timed[s]
            else None
            for s in range(len(STANCES))
        ]
        for name, share in SHARES.items()
    }
    error = np.sqrt(np.maximum(spread.variance, spread.least))
    return TopicDrift(
        low=low,
        high=high,
        error=np.where(np.isfinite(error), error, np.nan),
        p=p,
        reached=drift_times(part.values, values_spread, bootstrap),
        crossings=crossings,
        flipped=flipped_means(changes, [own[: change.shape[1]] for own, change in zip(signs, changes, strict=True)]),
    )


def drift_rows(
    model: str, trajectory: Trajectory, part: TopicValues, drift: TopicDrift, bootstrap: Bootstrap
) -> pl.DataFrame:
    """Return one row per stance.

    Columns: `model, run, algorithm, data, sft, topic, stance, start_value, end_value, magnitude, low, high, error,
    time, outcome, end_step, step_before, step_reached, still_moving, t50, t50_low, t50_high, t90, t90_low, t90_high,
    questions, p_value`.

    - `error` is the standard error of `magnitude`; null with a single question.
    - `time` is the paper's drift time: the first saved step, `step_reached`, at which the value is within the margin of
      its extremum, as a share of the run's steps. `step_before` is the saved step before it.
    - `still_moving`: the last step is the first one within the margin, so training may have ended before the values
      settled.
    - `t50` and `t90`: the shares of the run's steps after which half and nine tenths of `magnitude` are done.

    `settled` empties the columns about time of drifts that aren't real.
    """
    steps = np.asarray(trajectory.shown_steps)
    first, last = int(steps[0]), int(steps[-1])
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
        "error": drift.error,
        "time": (steps[drift.reached] - first) / (last - first),
        "outcome": np.where(drift.reached > 0, REACHED, NO_DRIFT),
        "end_step": last,
        "step_before": steps[np.maximum(drift.reached - 1, 0)],
        "step_reached": steps[drift.reached],
        "still_moving": drift.reached == len(steps) - 1,
        **_crossed(drift.crossings, bootstrap),
        "questions": part.questions,
        "p_value": drift.p,
    }
    kinds = {"questions": pl.Int64, "end_step": pl.Int64, **dict.fromkeys(_CROSSED, pl.Float64)}
    return pl.DataFrame(columns, schema_overrides=kinds).with_columns(pl.col("error").fill_nan(None))


def settled(drift: pl.DataFrame) -> pl.DataFrame:
    """Return the table with times only where the drift is `real`; otherwise `outcome` is "unclear".

    A real drift whose start is within the margin of the extremum has the outcome "no_drift" and no `time`, as in the
    paper, but `t50` and `t90`.
    """
    return drift.with_columns(
        outcome=pl.when("real").then("outcome").otherwise(pl.lit(UNCLEAR)),
    ).with_columns(
        pl.when(pl.col("outcome") == REACHED).then(pl.col(_TIMED)),
        pl.when("real").then(pl.col(_CROSSED)),
    )


def movement(parts: Sequence[tuple[FloatArray, FloatArray]], steps: Sequence[int], questions: int) -> Crossing | None:
    """Return when half of a run's movement is done, over all topics and stances together.

    The movement at a checkpoint is Σ M (v − v_start) over topics and stances: how far the values are on the way from
    start to end. If they move along a straight line, half of it is done after half of the steps.

    Args:
        parts: From `toward_end`, one per topic.
        steps: Steps of the checkpoints.
        questions: Number of questions of all topics together.
    """
    values, replicates = (np.sum([part[i] for part in parts], axis=0) for i in (0, 1))
    if values[-1] <= values[0] or questions <= len(parts):
        return None
    freedom = float(questions - len(parts))
    return crossing(values, replicates, 0.5, steps, (freedom, float(np.sqrt(questions / freedom))))


def toward_end(part: TopicValues) -> tuple[FloatArray, FloatArray]:
    """Return Σ M v over one topic's stances at each checkpoint, (checkpoints,), and its replicates."""
    change = part.values[-1] - part.values[0]
    return part.values @ change, np.einsum("csr,s->cr", part.replicates[..., :TIMED], change)


def run_drift(
    trajectory: Trajectory, topics: Sequence[str], ends: Sequence[TopicValues], moved: Crossing | None
) -> RunDrift:
    """Stack the drifts of all topics; `ends` has the values of each topic at start and end only."""
    return RunDrift(
        trajectory,
        tuple(topics),
        start=np.stack([part.values[0] for part in ends]),
        end=np.stack([part.values[1] for part in ends]),
        start_replicates=np.stack([part.replicates[0] for part in ends]),
        end_replicates=np.stack([part.replicates[1] for part in ends]),
        questions=tuple(_of_all_questions(part) for part in ends),
        answers=min(part.per_question for part in ends),
        moved=moved,
    )


def _of_all_questions(part: TopicValues) -> FloatArray:
    """Return question means (2, stances, all questions of the topic) with the mean and the influences of `part`."""
    (means,), (common,) = part.means, part.common
    centre = means.mean(axis=-1, keepdims=True)
    every = np.repeat(centre, len(common), axis=-1)
    every[..., common] += (means - centre) * (len(common) / part.questions)
    return np.asarray(every)


def _crossed(crossings: Mapping[str, list[Crossing | None]], bootstrap: Bootstrap) -> dict[str, list[float | None]]:
    columns: dict[str, list[float | None]] = {name: [] for name in _CROSSED}
    for name, own in crossings.items():
        for one in own:
            ends = one.bounds((1 - bootstrap.level) / 2) if one else (None, None)
            for column, end in zip(("", "_low", "_high"), (one.value if one else None, *ends), strict=True):
                columns[f"{name}{column}"].append(end)
    return columns
