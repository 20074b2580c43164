"""Values and drifts corrected for the judge's errors, next to the uncorrected ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import ndtr, stdtrit

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.intervals import interval_of_mean, spread_of
from valuedrift.statistics.labelled_sample import STAGES, Estimated, StageCalibration
from valuedrift.statistics.panel import ALL, STANCES, Panel, TopicValues, each_topic_and_all
from valuedrift.statistics.trajectory import Trajectory

CONFUSION, POWERED = "inverse_confusion", "prediction_powered"

_LABELS = dict.fromkeys(("model", "run", "algorithm", "data", "sft", "topic", "method"), pl.String)
_NUMBERS = dict.fromkeys(("raw", "raw_low", "raw_high", "value", "low", "high"), pl.Float64)
_STEP = {"step": pl.Int64, "stage": pl.String, "stance": pl.String}
_VALUES = pl.Schema({**_LABELS, **_STEP, **_NUMBERS, "refused": pl.String})
_DRIFT = pl.Schema({**_LABELS, "stance": pl.String, **_NUMBERS, "refused": pl.String})


@dataclass(frozen=True)
class _Corrected:
    """Corrected values of a trajectory's checkpoints on one topic.

    Attributes:
        values: (checkpoints, stances); NaN where refused.
        both: Replicates with answers and labels resampled, (checkpoints, stances, replicates).
        answers: Replicates with only the answers resampled, (checkpoints, stances, replicates).
        questions: Number of labelled questions that each checkpoint's correction is estimated from, (checkpoints,).
        refused: Why a checkpoint has no corrected value, or None, (checkpoints,).
    """

    values: FloatArray
    both: FloatArray
    answers: FloatArray
    questions: FloatArray
    refused: list[str | None]


_Cell = tuple[FloatArray, FloatArray, FloatArray, int]
"""The fields of `_Corrected` for one checkpoint, except `refused`."""


def corrected_tables(
    panel: Panel,
    trajectories: Iterable[Trajectory],
    stages: Mapping[str, StageCalibration],
    bootstrap: Bootstrap,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Correct values, and drifts from start to end, for the judge's errors at each training stage.

    A checkpoint's stage is base, sft or preference. The judge's errors are estimated per stage, since the wording of
    answers differs between stages. There are two methods:

    - inverse_confusion: the true shares t are the least-squares solution of v = Cᵀ t among non-negative shares with
      sum 1, where C is the stage's confusion matrix over all topics. This assumes that the judge makes the same errors
      in all topics, given the true stance.
    - prediction_powered: v plus the mean of (true − judged) over the labelled answers of the stage and topic
      (Angelopoulos et al. 2023). This assumes that these answers represent each checkpoint of the stage.

    For the intervals, answers and labels are resampled independently of each other. Where a value is not corrected,
    `refused` gives the reason and the corrected numbers are null.

    Args:
        panel: The model's answers.
        trajectories: The runs to correct.
        stages: The judge's errors, see `calibrate_stages`.
        bootstrap: Settings of the intervals.

    Returns:
        Values: `model, run, algorithm, data, sft, topic, method, step, stage, stance, raw, raw_low, raw_high, value,
        low, high, refused`. Drifts: the same without `step` and `stage`.
    """
    inverses = {s: _inverses(c.confusion) for s, c in stages.items() if isinstance(c.confusion, Estimated)}
    values: list[pl.DataFrame] = []
    drifts: list[pl.DataFrame] = []
    for trajectory in trajectories:
        at = _stages_of(trajectory)
        for part in each_topic_and_all(panel, trajectory.checkpoints):
            topics = list(panel.topics) if part.topic == ALL else [part.topic]
            drawn = _widened(part)
            found = {
                CONFUSION: _at_each_checkpoint(part, at, _by_confusion(part, drawn, stages, inverses)),
                POWERED: _at_each_checkpoint(part, at, _by_rectifier(part, drawn, stages, topics)),
            }
            labels = {"model": panel.model, **trajectory.labels, "topic": part.topic}
            values += _value_rows(labels, trajectory, part, found, bootstrap)
            drifts += _drift_rows(labels, part, found, bootstrap)
    return pl.concat(values), pl.concat(drifts)


def nearest_shares(matrix: FloatArray, values: FloatArray) -> FloatArray:
    """Return the shares t (..., 3), non-negative with sum 1, that minimise |matrixᵀ t − values| for values (..., 3)."""
    candidates = [values @ np.linalg.inv(matrix)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        edge = matrix[one] - matrix[other]
        share = np.clip((values - matrix[other]) @ edge / max(float(edge @ edge), 1e-300), 0, 1)
        point = np.zeros(values.shape)
        point[..., one], point[..., other] = share, 1 - share
        candidates.append(point)
    points = np.stack(candidates)
    off = np.square(points @ matrix - values).sum(axis=-1) + np.where(points.min(axis=-1) < 0, np.inf, 0)
    return np.asarray(np.take_along_axis(points, off.argmin(axis=0)[None, ..., None], axis=0)[0])


def _stages_of(trajectory: Trajectory) -> list[str]:
    start, own = STAGES[:2] if trajectory.algorithm == STAGES[1] else STAGES[1:]
    return [start, *(own for _ in trajectory.steps)]


def _inverses(confusion: Estimated) -> FloatArray:
    """Return replicates of the inverse, (3, 3, replicates); for a singular replicate, the inverse of the estimate."""
    drawn = confusion.replicates.transpose(2, 0, 1)
    singular = np.abs(np.linalg.det(drawn)) < 1e-6
    drawn = np.where(singular[:, None, None], confusion.value, drawn)
    return np.ascontiguousarray(np.linalg.inv(drawn).transpose(1, 2, 0), dtype=np.float64)


def _at_each_checkpoint(part: TopicValues, at: Sequence[str], correct: Callable[[int, str], _Cell | str]) -> _Corrected:
    """Correct each checkpoint's values with `correct(index, stage)`, which may return a reason for refusing instead."""
    nan, both, answers = np.full(part.values.shape, np.nan), *np.empty((2, *part.replicates.shape))
    found = _Corrected(nan, both, answers, np.ones(len(at)), [None] * len(at))
    for c, stage in enumerate(at):
        cell = correct(c, stage)
        if isinstance(cell, str):
            found.refused[c] = cell
        else:
            found.values[c], found.both[c], found.answers[c], found.questions[c] = cell
    return found


def _by_confusion(
    part: TopicValues, drawn: FloatArray, stages: Mapping[str, StageCalibration], inverses: Mapping[str, FloatArray]
) -> Callable[[int, str], _Cell | str]:
    def correct(c: int, stage: str) -> _Cell | str:
        confusion = stages[stage].confusion if stage in stages else f"no labelled answers of stage {stage}"
        if isinstance(confusion, str):
            return confusion
        means = np.stack([topic[c].mean(axis=-1) for topic in part.means])
        values = nearest_shares(confusion.value, means).mean(axis=0)
        both = np.einsum("jb,jtb->tb", drawn[c], inverses[stage])
        return values, both, np.linalg.inv(confusion.value).T @ drawn[c], confusion.questions

    return correct


def _by_rectifier(
    part: TopicValues, drawn: FloatArray, stages: Mapping[str, StageCalibration], topics: Sequence[str]
) -> Callable[[int, str], _Cell | str]:
    def correct(c: int, stage: str) -> _Cell | str:
        if stage not in stages:
            return f"no labelled answers of stage {stage}"
        known = []
        for topic in topics:
            one = stages[stage].rectifiers.get(topic, f"stage {stage}, topic {topic}: no labelled answers")
            if isinstance(one, str):
                return one
            known.append(one)
        values = part.values[c] + np.mean([one.value for one in known], axis=0)
        both = drawn[c] + sum(one.replicates for one in known) / len(known)
        return values, both, drawn[c], sum(one.questions for one in known)

    return correct


def _widened(part: TopicValues) -> FloatArray:
    """Return the replicates of `part`, scaled to the variance of its values (the bootstrap variance is too small)."""
    spread = spread_of(part.means)
    with np.errstate(divide="ignore", invalid="ignore"):
        wider = np.where(spread.drawn > 0, np.sqrt(spread.variance / spread.drawn), 1.0)
    return np.asarray(part.values[..., None] + wider[..., None] * (part.replicates - part.values[..., None]))


def _interval(
    values: FloatArray,
    both: FloatArray,
    answers: FloatArray,
    freedom: tuple[FloatArray, FloatArray],
    bootstrap: Bootstrap,
    lowest: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Clip values to [lowest, 1] and compute their intervals; NaN where the value is NaN.

    The percentiles are widened to those of a t distribution with Welch and Satterthwaite's degrees of freedom.

    Args:
        values: (..., stances).
        both: Replicates with answers and labels resampled, (..., stances, replicates).
        answers: Replicates with only the answers resampled, (..., stances, replicates).
        freedom: Degrees of freedom of the answers' variance and of the labels' variance, (..., stances) each.
        bootstrap: Settings; `level` is the level of the interval.
        lowest: Lowest possible value.

    Returns:
        Values, low ends and high ends, (..., stances) each.
    """
    low, high = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    for cell in np.argwhere(~np.isnan(values)):
        at = tuple(cell)
        total, own = float(both[at].var()), float(answers[at].var())
        if not 0 < total < np.inf:
            low[at], high[at] = (values[at], values[at]) if total == 0 else (lowest, 1.0)
            continue
        labels = max(total - own, 0.0)
        degrees = total**2 / (own**2 / freedom[0][at] + labels**2 / freedom[1][at])
        share = float(ndtr(-stdtrit(degrees, (1 + bootstrap.level) / 2)))
        low[at], high[at] = np.quantile(both[at], [share, 1 - share])
    clipped = np.clip(values, lowest, 1)
    return clipped, np.minimum(np.maximum(low, lowest), clipped), np.maximum(np.minimum(high, 1), clipped)


def _value_rows(
    labels: Mapping[str, str],
    trajectory: Trajectory,
    part: TopicValues,
    found: Mapping[str, _Corrected],
    bootstrap: Bootstrap,
) -> Iterator[pl.DataFrame]:
    spread = spread_of(part.means)
    ends = interval_of_mean(part.values, part.replicates, spread, bootstrap, (0.0, 1.0))
    steps = trajectory.shown_steps
    place = {
        "step": np.repeat(steps, len(STANCES)),
        "stage": np.repeat(_stages_of(trajectory), len(STANCES)),
        "stance": STANCES * len(steps),
    }
    for method, one in found.items():
        freedom = spread.freedom, np.broadcast_to(np.maximum(one.questions - 1, 1)[:, None], part.values.shape)
        numbers = (part.values, *ends, *_interval(one.values, one.both, one.answers, freedom, bootstrap, 0.0))
        refused = [why for why in one.refused for _ in STANCES]
        yield _frame({**labels, "method": method, **place}, numbers, refused, _VALUES)


def _drift_rows(
    labels: Mapping[str, str], part: TopicValues, found: Mapping[str, _Corrected], bootstrap: Bootstrap
) -> Iterator[pl.DataFrame]:
    spread = spread_of([topic[-1] - topic[0] for topic in part.means], skewed=False)
    raw = part.values[-1] - part.values[0]
    raw_ends = interval_of_mean(raw, part.replicates[-1] - part.replicates[0], spread, bootstrap, (-1.0, 1.0))
    for method, one in found.items():
        labelled = max(float(min(one.questions[0], one.questions[-1])) - 1, 1.0)
        value, both, answers = (ends[-1] - ends[0] for ends in (one.values, one.both, one.answers))
        freedom = spread.freedom, np.full(len(STANCES), labelled)
        numbers = (raw, *raw_ends, *_interval(value, both, answers, freedom, bootstrap, -1.0))
        refused = one.refused[0] or one.refused[-1]
        yield _frame({**labels, "method": method, "stance": STANCES}, numbers, refused, _DRIFT)


def _frame(
    columns: Mapping[str, object], numbers: Sequence[FloatArray], refused: object, schema: pl.Schema
) -> pl.DataFrame:
    flat = {name: number.ravel() for name, number in zip(_NUMBERS, numbers, strict=True)}
    table = pl.DataFrame({**columns, **flat, "refused": refused}, schema=schema)
    return table.with_columns(pl.col(_NUMBERS).fill_nan(None))
