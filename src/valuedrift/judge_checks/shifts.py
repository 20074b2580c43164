"""How a change of judge shifts values and drifts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from valuedrift.judge_checks.answer_agreement import ENDS
from valuedrift.judge_checks.matching import NEW, OLD, of_judge
from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.intervals import interval_of_mean, spread_of
from valuedrift.statistics.panel import STANCES, Panel, TopicValues, each_topic_and_all, make_panel
from valuedrift.statistics.trajectory import Checkpoint

SHIFT = "shift"

_BASE = "base"
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
    """The values of every stage under both judges.

    Args:
        matched: One model's answers; see `match`.
        bootstrap: Over questions.

    Returns:
        Columns `model, stage, topic, stance, questions, answers, old, new, shift, low, high`. `old` and `new` are v
        (paper, equation 1) under each judge, over all answers of a stage as if they were of one checkpoint; `shift` is
        new − old with its interval, paired over questions. Topic "all" is the unweighted mean over topics.
    """
    answers = matched.with_columns(run="stage", step=0, sample=pl.int_range(pl.len()))
    return pl.concat(
        [
            pl.DataFrame(schema=_VALUES),
            *(
                _value_rows({"model": panel.model, "stage": stage}, part, bootstrap)
                for panel in _joint_panels(answers, bootstrap)
                for stage in matched["stage"].unique(maintain_order=True)
                for part in _measured(panel, [(stage, 0)])
            ),
        ]
    )


def drift_shifts(matched: pl.DataFrame, bootstrap: Bootstrap) -> pl.DataFrame:
    """The drift magnitudes of every run under both judges.

    Args:
        matched: One model's answers; see `match`.
        bootstrap: Over questions.

    Returns:
        Columns `model, run, stage, topic, stance, questions`, then `old`, `new` and `shift`, each with `_low` and
        `_high`. `old` and `new` are M (paper, section 3) under each judge, over the questions that both judged at the
        run's start and end; `shift` is new − old, paired over questions. Runs and topics whose start or end the judges
        didn't both judge have no row.
    """
    ends = {run: both for run in matched["run"].unique(maintain_order=True) if (both := _ends(matched, run))}
    wanted = pl.DataFrame([end for both in ends.values() for end in both], ["run", "step"], orient="row").unique()
    answers = matched.join(
        wanted.cast({"run": pl.String, "step": matched.schema["step"]}), on=["run", "step"], how="semi"
    )
    return pl.concat(
        [
            pl.DataFrame(schema=_DRIFT),
            *(
                _drift_rows({"model": panel.model, "run": run, "stage": _stage(matched, run)}, part, bootstrap)
                for panel in _joint_panels(answers, bootstrap)
                for run, both in ends.items()
                for part in _measured(panel, both)
            ),
        ]
    )


def _joint_panels(answers: pl.DataFrame, bootstrap: Bootstrap) -> Iterator[Panel]:
    """One panel of both judges' stances, so that they share its resamples; none if no answer has both."""
    stances = pl.concat([of_judge(answers, judge) for judge in (OLD, NEW)])
    if not stances.is_empty():
        yield make_panel(stances, bootstrap)


def _measured(panel: Panel, checkpoints: Sequence[Checkpoint]) -> Iterator[TopicValues]:
    """Values of `checkpoints` under the old judge, then under the new one: each topic, then "all".

    Topics without a question that is judged at every checkpoint are left out.
    """
    both = [(f"{judge}:{run}", step) for judge in (OLD, NEW) for run, step in checkpoints]
    if not all(checkpoint in panel.checkpoints for checkpoint in both):
        return
    judged = panel.answers[[panel.checkpoints[checkpoint] for checkpoint in both]] > 0
    shared = {topic: index for topic, index in panel.topics.items() if judged[:, index].all(axis=0).any()}
    if shared:
        yield from each_topic_and_all(replace(panel, topics=shared), both)


def _value_rows(labels: dict[str, str], part: TopicValues, bootstrap: Bootstrap) -> pl.DataFrame:
    old, new = part.values
    shift, low, high = _contrast(part, (-1, 1), (-1.0, 1.0), bootstrap)
    place = {**labels, "topic": part.topic, "stance": STANCES, "questions": part.questions}
    columns = {**place, "answers": int(part.answers[0]), OLD: old, NEW: new, SHIFT: shift, "low": low, "high": high}
    return pl.DataFrame(columns, schema=_VALUES)


def _drift_rows(labels: dict[str, str], part: TopicValues, bootstrap: Bootstrap) -> pl.DataFrame:
    """`part` has four checkpoints: start and end under the old judge, then under the new one."""
    columns = {**labels, "topic": part.topic, "stance": STANCES, "questions": part.questions}
    contrasts = {
        OLD: ((-1, 1, 0, 0), (-1.0, 1.0)),
        NEW: ((0, 0, -1, 1), (-1.0, 1.0)),
        SHIFT: ((1, -1, -1, 1), (-2.0, 2.0)),
    }
    for name, (signs, bounds) in contrasts.items():
        found = _contrast(part, signs, bounds, bootstrap)
        columns |= dict(zip((f"{name}{end}" for end in ENDS), found, strict=True))
    return pl.DataFrame(columns, schema=_DRIFT)


def _contrast(
    part: TopicValues, signs: Sequence[int], bounds: tuple[float, float], bootstrap: Bootstrap
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The signed sum of the checkpoints' values, paired over questions, and its interval, (stances,) each."""
    weights = np.array(signs, dtype=np.float64)
    value, drawn = (np.tensordot(weights, own, 1) for own in (part.values, part.replicates))
    spread = spread_of([np.tensordot(weights, topic, 1) for topic in part.means], skewed=False)
    return value, *interval_of_mean(value, drawn, spread, bootstrap, bounds)


def _ends(matched: pl.DataFrame, run: str) -> list[Checkpoint]:
    """A run's start (its own step 0, or the last step of the run before) and end; [] if either is missing."""
    last = dict(matched.group_by("run").agg(pl.col("step").max()).iter_rows())
    parent = run.rpartition("/")[0] or _BASE
    if last[run] == 0 or (parent not in last and matched.filter(run=run, step=0).is_empty()):
        return []
    start = (parent, last[parent]) if matched.filter(run=run, step=0).is_empty() else (run, 0)
    return [start, (run, last[run])]


def _stage(matched: pl.DataFrame, run: str) -> str:
    return str(matched.filter(run=run)["stage"][0])
