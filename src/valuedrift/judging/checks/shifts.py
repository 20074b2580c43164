"""Compute how values and drifts change when the judge is replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from valuedrift.config.stages import BASE
from valuedrift.judging.checks.agreement_scores import ENDS
from valuedrift.judging.checks.matching import NEW, OLD, of_judge
from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.drift import magnitude
from valuedrift.statistics.intervals import interval_of_mean, spread_of
from valuedrift.statistics.panel import (
    STANCES,
    Panel,
    TopicValues,
    each_topic_and_all,
    make_panel,
    with_common_questions,
)
from valuedrift.statistics.trajectory import Checkpoint

SHIFT = "shift"
Columns = dict[str, Any]

_VALUES = {
    **dict.fromkeys(("model", "stage", "topic", "stance"), pl.String),
    **dict.fromkeys(("questions", "answers"), pl.Int64),
    **dict.fromkeys((OLD, NEW, SHIFT, "low", "high"), pl.Float64),
}
_DRIFT = {
    **dict.fromkeys(("model", "run", "stage", "topic", "stance"), pl.String),
    "questions": pl.Int64,
    **dict.fromkeys((f"{name}{end}" for name in (OLD, NEW, SHIFT) for end in ENDS), pl.Float64),
}


def value_shifts(matched: pl.DataFrame, bootstrap: Bootstrap) -> pl.DataFrame:
    """Compute the values of every stage under both judges.

    Args:
        matched: One model's answers; see `match`.
        bootstrap: Settings of the bootstrap over questions.

    Returns:
        Columns `model, stage, topic, stance, questions, answers, old, new, shift, low, high`. `old` and `new` are v
        (paper, equation 1) under each judge, with all answers of a stage treated as those of one checkpoint; `shift` is
        new − old with its interval, paired over questions. Topic "all" is the unweighted mean over topics.
    """
    answers = matched.with_columns(run="stage", step=0, sample=pl.int_range(pl.len()))
    wanted = [({"stage": stage}, [(stage, 0)]) for stage in matched["stage"].unique(maintain_order=True)]
    return _shifts(answers, wanted, _value_columns, _VALUES, bootstrap)


def drift_shifts(matched: pl.DataFrame, bootstrap: Bootstrap) -> pl.DataFrame:
    """Compute the drift magnitudes of every run under both judges.

    Args:
        matched: One model's answers; see `match`.
        bootstrap: Settings of the bootstrap over questions.

    Returns:
        Columns `model, run, stage, topic, stance, questions`, then `old`, `new` and `shift`, each with `_low` and
        `_high`. `old` and `new` are M (paper, section 3) under each judge, over the questions that both judges judged
        at the run's start and end; `shift` is new − old, paired over questions. Runs and topics without such questions
        have no row.
    """
    runs = matched.select("run", "stage").unique(maintain_order=True)
    wanted = [({"run": run, "stage": stage}, ends) for run, stage in runs.iter_rows() if (ends := _ends(matched, run))]
    return _shifts(matched, wanted, _drift_columns, _DRIFT, bootstrap)


def _shifts(
    answers: pl.DataFrame,
    wanted: Sequence[tuple[dict[str, str], Sequence[Checkpoint]]],
    columns: Callable[[TopicValues, Bootstrap], Columns],
    schema: Mapping[str, type[pl.DataType]],
    bootstrap: Bootstrap,
) -> pl.DataFrame:
    """Return, for each wanted sequence of checkpoints and each topic, its labels and then the `columns`."""
    stances = pl.concat([of_judge(answers, judge) for judge in (OLD, NEW)])
    rows = [pl.DataFrame(schema=schema)]
    if not stances.is_empty():
        # Both judges are in one panel, so that they share its resamples.
        panel = make_panel(stances, bootstrap)
        for labels, checkpoints in wanted:
            for part in _measured(panel, checkpoints):
                place = {"model": panel.model, **labels, "topic": part.topic, "stance": STANCES}
                rows.append(pl.DataFrame(place | columns(part, bootstrap), schema))
    return pl.concat(rows)


def _measured(panel: Panel, checkpoints: Sequence[Checkpoint]) -> Iterator[TopicValues]:
    """Yield the values of `checkpoints` under the old judge and then the new one, for each topic and then "all".

    Topics without a question that is judged at every checkpoint are left out.
    """
    both = [(f"{judge}:{run}", step) for judge in (OLD, NEW) for run, step in checkpoints]
    shared = with_common_questions(panel, both)
    if shared.topics:
        yield from each_topic_and_all(shared, both)


def _value_columns(part: TopicValues, bootstrap: Bootstrap) -> Columns:
    shift, low, high = _contrast(part, (-1, 1), 1.0, bootstrap)
    old, new = part.values
    counts = {"questions": part.questions, "answers": int(part.answers[0])}
    return counts | {OLD: old, NEW: new, SHIFT: shift, "low": low, "high": high}


def _drift_columns(part: TopicValues, bootstrap: Bootstrap) -> Columns:
    """Return M and its shift. `part` has four checkpoints: start and end under the old judge, then under the new."""
    contrasts = {
        OLD: magnitude(part, bootstrap, 0, 1)[:3],
        NEW: magnitude(part, bootstrap, 2, 3)[:3],
        SHIFT: _contrast(part, (1, -1, -1, 1), 2.0, bootstrap),
    }
    numbers = {f"{name}{end}": x for name, three in contrasts.items() for end, x in zip(ENDS, three, strict=True)}
    return {"questions": part.questions, **numbers}


def _contrast(
    part: TopicValues, signs: Sequence[int], most: float, bootstrap: Bootstrap
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the signed sum of the checkpoints' values, from −`most` to `most`, and its paired interval, (stances,)."""
    weights = np.array(signs, dtype=np.float64)
    value, drawn = (np.tensordot(weights, own, 1) for own in (part.values, part.replicates))
    spread = spread_of([np.tensordot(weights, topic, 1) for topic in part.means], skewed=False)
    return value, *interval_of_mean(value, drawn, spread, bootstrap, (-most, most))


def _ends(matched: pl.DataFrame, run: str) -> list[Checkpoint]:
    """Return a run's start (its step 0, or the last step of its parent run) and end; [] if either is missing."""
    last = dict(matched.group_by("run").agg(pl.col("step").max()).iter_rows())
    parent = run.rpartition("/")[0] or BASE
    if last[run] == 0 or (parent not in last and matched.filter(run=run, step=0).is_empty()):
        return []
    start = (parent, last[parent]) if matched.filter(run=run, step=0).is_empty() else (run, 0)
    return [start, (run, last[run])]
