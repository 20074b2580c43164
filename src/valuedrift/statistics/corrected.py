"""Values at the ends of runs, and drifts, corrected for the judge's errors, next to the uncorrected ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.special import ndtr, stdtrit

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.drift import magnitude
from valuedrift.statistics.intervals import interval_of_mean, spread_of
from valuedrift.statistics.judge_errors import CELL, DRAWS, TRUE, judge_errors
from valuedrift.statistics.labelled_sample import stage_name
from valuedrift.statistics.panel import (
    ALL,
    STANCES,
    Panel,
    TopicValues,
    common_questions,
    each_topic_and_all,
    weights_of_common,
)
from valuedrift.statistics.trajectory import Checkpoint, Trajectory

FEWEST = 5
"""Smallest number of different labelled answers that a run needs."""
RAW, CORRECTED = "raw", "corrected"
_WIDER = 1.5
"""What the draws' deviations are multiplied by. The model doesn't describe errors exactly."""

_LABELS = dict.fromkeys(("model", "run", "algorithm", "data", "sft", "topic"), pl.String)
_NUMBERS = dict.fromkeys(("raw", "raw_low", "raw_high", "value", "low", "high"), pl.Float64)
_REMARKS = {"preferred": pl.String, "refused": pl.String}
_VALUES = pl.Schema({**_LABELS, "step": pl.Int64, "stage": pl.String, "stance": pl.String, **_NUMBERS, **_REMARKS})
_DRIFT = pl.Schema({**_LABELS, "stance": pl.String, **_NUMBERS, **_REMARKS})
_EQUAL = 1e-12


@dataclass(frozen=True)
class _Expected:
    """The expected shares of the true stances among the answers to each question, at the ends of runs.

    Attributes:
        places: Checkpoint → its index on the first axis.
        best: (checkpoints, questions, true stances); 0 where a question has no answer.
        draws: For each draw of the judge's errors, (checkpoints, questions, true stances, draws).
        refused: Run → why its values can't be corrected.
    """

    places: dict[Checkpoint, int]
    best: FloatArray
    draws: FloatArray
    refused: Mapping[str, str]


@dataclass(frozen=True)
class _Corrected:
    """Corrected values at the start and the end of a run on one topic.

    Attributes:
        values: (2, stances).
        labels: For each draw of the judge's errors, (2, stances, draws).
        own: Replicates with the questions resampled, (2, stances, replicates).
        both: Replicates with the questions resampled and the judge's errors drawn, (2, stances, replicates).
    """

    values: FloatArray
    labels: FloatArray
    own: FloatArray
    both: FloatArray


def corrected_tables(
    panel: Panel, trajectories: Sequence[Trajectory], answers: pl.DataFrame, bootstrap: Bootstrap
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Correct values at the start and the end of each run, and drifts, for the judge's errors.

    A corrected value is the mean, over questions, of the answers' expected true stances: the label if the answer or an
    equal one has one, otherwise `judge_errors`, averaged over the runs that gave the answer. Answers without a stance
    don't count. For the intervals, questions are resampled and the judge's errors drawn.

    `preferred` is "raw" if correction isn't expected to bring a number nearer to the truth: where the correction's
    square is less than twice the variance that it has from the labels. Where a number isn't corrected, `refused` gives
    the reason, and `value, low, high, preferred` are null.

    Args:
        panel: The model's answers.
        trajectories: The runs to correct.
        answers: The answers at the start and end of each trajectory, and the labels, see `answers_with_labels`.
        bootstrap: Settings of the intervals.

    Returns:
        Values: `model, run, algorithm, data, sft, topic, step, stage, stance, raw, raw_low, raw_high, value, low, high,
        preferred, refused`. Drifts: the same without `step` and `stage`.
    """
    expected = _expected(panel, trajectories, answers, bootstrap)
    values: list[pl.DataFrame] = []
    drifts: list[pl.DataFrame] = []
    for trajectory in trajectories:
        topics = {topic: _correct(panel, topic, trajectory, expected) for topic in panel.topics}
        whole = _Corrected(
            *(
                np.mean([vars(one)[name] for one in topics.values()], axis=0)
                for name in vars(next(iter(topics.values())))
            )
        )
        for part in each_topic_and_all(panel, trajectory.checkpoints):
            labels = {"model": panel.model, **trajectory.labels, "topic": part.topic}
            found = whole if part.topic == ALL else topics[part.topic]
            values.append(_value_rows(labels, trajectory, part, found, expected.refused, bootstrap))
            drifts.append(_drift_rows(labels, trajectory, part, found, expected.refused, bootstrap))
    return pl.concat(values), pl.concat(drifts)


def ends_of(trajectories: Iterable[Trajectory]) -> dict[Checkpoint, int]:
    """Return the checkpoints at which runs start and end → their index."""
    ends = (trajectory.checkpoints[end] for trajectory in trajectories for end in (0, -1))
    return {checkpoint: place for place, checkpoint in enumerate(dict.fromkeys(ends))}


def _expected(
    panel: Panel, trajectories: Sequence[Trajectory], answers: pl.DataFrame, bootstrap: Bootstrap
) -> _Expected:
    places = ends_of(trajectories)
    labelled = answers.drop_nulls("true_stance").group_by("run").agg(pl.col("text").n_unique())
    counts = dict.fromkeys((run for run, _ in places), 0) | dict(labelled.iter_rows())
    refused = {run: f"run {run}: {n} labelled answers, {FEWEST} needed" for run, n in counts.items() if n < FEWEST}
    size = len(places), len(panel.questions), len(TRUE)
    if labelled.is_empty():
        return _Expected(places, np.full(size, np.nan), np.full((*size, 1), np.nan), refused)
    errors = judge_errors(answers, bootstrap)
    known, guessed = _shares(panel, places, answers, errors.cells)
    best = known + guessed @ errors.best
    draws = known[..., None] + (guessed @ errors.draws.reshape(len(errors.draws), -1)).reshape(*best.shape, DRAWS)
    return _Expected(places, best.reshape(size), draws.reshape(*size, DRAWS), refused)


def _shares(
    panel: Panel, places: Mapping[Checkpoint, int], answers: pl.DataFrame, cells: pl.DataFrame
) -> tuple[FloatArray, csr_array]:
    """Return what is known of the answers to each question at each place: shares of true stances, and of cells.

    An answer without a label counts in the cells of all its occurrences, in equal parts.

    Returns:
        (places · questions, true stances), and a sparse matrix (places · questions, cells).
    """
    topics = [topic for topic, own in panel.topics.items() for _ in range(own.start, own.stop)]
    questions = pl.DataFrame({"topic": topics, "question_id": panel.questions}).with_row_index("q")
    steps = pl.DataFrame([(*at, place) for at, place in places.items()], ["run", "step", "place"], orient="row")
    rows = (
        answers.with_columns(text=pl.col("text").rank("dense").cast(pl.Int64) - 1)
        .join(cells.with_row_index("cell"), on=CELL)
        .join(steps, on=["run", "step"], how="left")
        .join(questions, on=["topic", "question_id"], how="left")
    )
    texts = rows["text"].n_unique()
    at = rows.drop_nulls("place").with_columns(row=pl.col("place") * len(topics) + pl.col("q"))
    said = _counted(at["row"], at["text"], (len(places) * len(topics), texts))
    labels = rows.drop_nulls("true_stance").unique("text")
    kinds = labels["true_stance"].replace_strict(TRUE, range(len(TRUE)), return_dtype=pl.Int64)
    known = _counted(labels["text"], kinds, (texts, len(TRUE)))
    unknown = rows.filter(pl.col("true_stance").is_null())
    guessed = _counted(unknown["text"], unknown["cell"], (texts, cells.height))
    return (said @ known).toarray(), said @ guessed


def _counted(rows: pl.Series, columns: pl.Series, shape: tuple[int, int]) -> csr_array:
    """Count the pairs of `rows` and `columns` in a sparse matrix, each row as shares of its sum."""
    counts = coo_array((np.ones(len(rows)), (rows.to_numpy(), columns.to_numpy())), shape).tocsr()
    return diags_array(1 / np.maximum(counts.sum(axis=1), 1)) @ counts


def _correct(panel: Panel, topic: str, trajectory: Trajectory, expected: _Expected) -> _Corrected:
    common = common_questions(panel, topic, trajectory.checkpoints)
    weights = weights_of_common(panel.weights[topic], common)
    size = len(weights)
    ends = [expected.places[trajectory.checkpoints[end]] for end in (0, -1)]
    best = expected.best[ends, panel.topics[topic]][:, common]
    draws = np.ascontiguousarray(expected.draws[ends, panel.topics[topic]][:, common].transpose(0, 2, 3, 1))
    # Replicate r · draws + d has the judge's errors of draw d.
    draws = draws[:, :, : weights.shape[1]]
    each = weights.shape[1] // draws.shape[2]
    grouped = weights[:, : each * draws.shape[2]].reshape(size, each, -1).transpose(2, 0, 1)
    own = _with_stance(best.transpose(0, 2, 1) @ grouped.transpose(1, 2, 0).reshape(size, -1))
    both = _with_stance(
        (draws.transpose(2, 0, 1, 3).reshape(len(grouped), -1, size) @ grouped)
        .reshape(len(grouped), len(ends), len(TRUE), each)
        .transpose(1, 2, 3, 0)
        .reshape(len(ends), len(TRUE), -1)
    )
    values = _with_stance(best.mean(axis=1))
    # The variance of replicates of a mean over questions is too small by the factor (size - 1) / size.
    wider = (np.sqrt(size / max(size - 1, 1)) - 1) * (own - values[..., None])
    return _Corrected(values, _with_stance(draws.mean(axis=-1)), own + wider, own + wider + _WIDER * (both - own))


def _with_stance(shares: FloatArray) -> FloatArray:
    """Return (ends, stances, ...), as shares of the answers with a stance, of (ends, true stances, ...)."""
    stances = shares[:, : len(STANCES)]
    with np.errstate(invalid="ignore"):
        return np.asarray(stances / stances.sum(axis=1, keepdims=True))


def _interval(
    values: FloatArray, own: FloatArray, both: FloatArray, freedom: FloatArray, lowest: float, bootstrap: Bootstrap
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Clip values (..., stances) to [lowest, 1] and compute their intervals; NaN where the value is NaN.

    The percentiles are widened to those of a t distribution with Welch and Satterthwaite's degrees of freedom;
    `freedom` has those of the variance between questions.
    """
    low, high = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    for cell in np.argwhere(~np.isnan(values)):
        at = tuple(cell)
        total, part = float(both[at].var()), float(own[at].var())
        if total < _EQUAL:
            low[at] = high[at] = values[at]
            continue
        degrees = freedom[at] * max((total / part) ** 2, 1.0) if part > 0 else 1e9
        share = float(ndtr(-stdtrit(min(degrees, 1e9), (1 + bootstrap.level) / 2)))
        low[at], high[at] = np.quantile(both[at], [share, 1 - share])
    return values, np.maximum(np.minimum(low, values), lowest), np.minimum(np.maximum(high, values), 1)


def _value_rows(
    labels: Mapping[str, str],
    trajectory: Trajectory,
    part: TopicValues,
    found: _Corrected,
    refused: Mapping[str, str],
    bootstrap: Bootstrap,
) -> pl.DataFrame:
    spread = spread_of([means[[0, -1]] for means in part.means])
    raw = part.values[[0, -1]]
    ends = interval_of_mean(raw, part.replicates[[0, -1]], spread, bootstrap, (0.0, 1.0))
    why = [refused.get(run) for run, _ in (trajectory.checkpoints[0], trajectory.checkpoints[-1])]
    place = {
        "step": np.repeat([trajectory.shown_steps[0], trajectory.steps[-1]], len(STANCES)),
        "stage": np.repeat([stage_name(trajectory.start_run), stage_name(trajectory.run)], len(STANCES)),
        "stance": STANCES * 2,
    }
    numbers = (raw, *ends), _interval(found.values, found.own, found.both, spread.freedom, 0.0, bootstrap), found.labels
    return _frame({**labels, **place}, *numbers, why, _VALUES)


def _drift_rows(
    labels: Mapping[str, str],
    trajectory: Trajectory,
    part: TopicValues,
    found: _Corrected,
    refused: Mapping[str, str],
    bootstrap: Bootstrap,
) -> pl.DataFrame:
    *raw, spread = magnitude(part, bootstrap)
    value, drawn, own, both = (one[1] - one[0] for one in (found.values, found.labels, found.own, found.both))
    why = refused.get(trajectory.start_run) or refused.get(trajectory.run)
    numbers = raw, _interval(value, own, both, spread.freedom, -1.0, bootstrap), drawn
    return _frame({**labels, "stance": STANCES}, *numbers, [why], _DRIFT)


def _frame(
    columns: Mapping[str, object],
    raw: Sequence[FloatArray],
    corrected: Sequence[FloatArray],
    labels: FloatArray,
    refused: Sequence[str | None],
    schema: pl.Schema,
) -> pl.DataFrame:
    preferred = np.where(np.square(corrected[0] - raw[0]) < labels.var(axis=-1) / 4, RAW, CORRECTED)
    numbers = {name: one.ravel() for name, one in zip(_NUMBERS, (*raw, *corrected), strict=True)}
    remarks = {"preferred": preferred.ravel(), "refused": [why for why in refused for _ in STANCES]}
    table = pl.DataFrame({**columns, **numbers, **remarks}, schema=schema)
    given = pl.col("refused").is_null()
    return table.with_columns(pl.when(given).then(pl.col("value", "low", "high", "preferred")))
