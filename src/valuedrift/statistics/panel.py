"""Stances as arrays: the question means of every checkpoint, and the resamples that all of them share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.errors import ArtifactError
from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.trajectory import Checkpoint

STANCES = ("support", "neutral", "oppose")
PROBABILITIES = tuple(f"p_{stance}" for stance in STANCES)
ALL = "all"
"""The topic name under which the unweighted mean over topics is reported."""

_KEYS = ("model", "run", "step", "topic", "question_id", "sample")


@dataclass(frozen=True)
class Panel:
    """One model's answers, averaged per checkpoint and question.

    topics: each topic's slice of the question axis, in the order of the names
    checkpoints: each checkpoint's place on the checkpoint axis
    means: (checkpoints, questions, stances); NaN where a question has no judged answer
    answers: (checkpoints, questions), the judged answers behind each mean
    weights: per topic (questions, replicates), shared by all checkpoints and stances: differences are paired
    """

    model: str
    topics: dict[str, slice]
    checkpoints: dict[Checkpoint, int]
    means: FloatArray
    answers: NDArray[np.int64]
    weights: dict[str, FloatArray]


@dataclass(frozen=True)
class TopicValues:
    """Values (paper, equation 1) of a sequence of checkpoints on one topic, over the questions they share.

    answers: (checkpoints,) · values: (checkpoints, stances) · replicates: (checkpoints, stances, replicates)
    """

    topic: str
    questions: int
    answers: NDArray[np.int64]
    values: FloatArray
    replicates: FloatArray


def make_panel(stances: pl.DataFrame, bootstrap: Bootstrap) -> Panel:
    """Average the answers of each question; answers with a null probability are counted out.

    `stances` holds one model: `model, run, step, topic, question_id, sample, p_support, p_neutral, p_oppose`.
    Raises ArtifactError if a column is missing, a key null or double, or the probabilities are none.
    """
    check_stances(stances)
    questions = stances.select("topic", "question_id").unique().sort("topic", "question_id").with_row_index("q")
    checkpoints = stances.select("run", "step").unique().sort("run", "step").with_row_index("c")
    means, answers = _average(stances, questions, checkpoints)
    topics = {
        topic: slice(first, first + count)
        for topic, first, count in questions.group_by("topic", maintain_order=True)
        .agg(pl.col("q").first(), pl.len())
        .iter_rows()
    }
    return Panel(
        model=stances["model"][0],
        topics=topics,
        checkpoints={(run, step): c for c, run, step in checkpoints.iter_rows()},
        means=means,
        answers=answers,
        weights={topic: bootstrap.weights(topic, place.stop - place.start) for topic, place in topics.items()},
    )


def topic_values(panel: Panel, topic: str, checkpoints: Sequence[Checkpoint]) -> TopicValues:
    """Values of `checkpoints` on `topic` over the questions judged at every one of them.

    A replicate that drew none of those questions counts each of them once. Raises ArtifactError, naming
    run, step and topic, at the checkpoint that leaves no question.
    """
    common = _common_questions(panel, topic, checkpoints)
    places = [panel.checkpoints[checkpoint] for checkpoint in checkpoints]
    means = panel.means[places, panel.topics[topic]][:, common].transpose(0, 2, 1)
    weights = panel.weights[topic][common]
    weights[:, weights.sum(axis=0) == 0] = 1
    return TopicValues(
        topic=topic,
        questions=int(common.sum()),
        answers=panel.answers[places, panel.topics[topic]][:, common].sum(axis=1),
        values=means.mean(axis=-1),
        replicates=means @ (weights / weights.sum(axis=0)),
    )


def each_topic_and_all(panel: Panel, checkpoints: Sequence[Checkpoint]) -> Iterator[TopicValues]:
    """`topic_values` of each topic, then their unweighted mean as topic "all"; one topic in memory at a time."""
    parts = (topic_values(panel, topic, checkpoints) for topic in panel.topics)
    total = next(parts)
    yield total
    for part in parts:
        yield part
        total = _sum(total, part)
    topics = len(panel.topics)
    yield TopicValues(ALL, total.questions, total.answers, total.values / topics, total.replicates / topics)


def check_stances(stances: pl.DataFrame) -> None:
    """Raise ArtifactError unless `stances` is a table that `make_panel` reads."""
    missing = [name for name in (*_KEYS, *PROBABILITIES) if name not in stances.columns]
    if missing:
        raise ArtifactError("stances", stances.columns, f"the columns {', '.join(missing)} as well")
    models = stances["model"].unique().sort().to_list()
    if len(models) != 1:
        raise ArtifactError("stances", models, "the rows of one model", "Call once per model.")
    if ALL in stances["topic"]:
        raise ArtifactError("stances", f"topic {ALL}", "another name, as this one is the mean over topics")
    _refuse(stances.filter(pl.any_horizontal(pl.col(_KEYS).is_null())), "a value in every key column")
    _refuse(stances.filter(stances.select(_KEYS).is_duplicated()), "one row for each answer")
    p = pl.col(PROBABILITIES)
    # NaN lies above every number, so it is refused here too.
    whole = pl.all_horizontal(p.is_between(-1e-6, 1 + 1e-6)) & ((pl.sum_horizontal(p) - 1).abs() < 1e-3)
    _refuse(stances.drop_nulls(PROBABILITIES).filter(~whole), "three probabilities that sum to 1")


def _refuse(rows: pl.DataFrame, expected: str) -> None:
    if rows.height:
        first = rows.sort(_KEYS).row(0, named=True)
        place = ", ".join(f"{key} {first[key]}" for key in _KEYS)
        raise ArtifactError(f"stances, {place}", [first[p] for p in PROBABILITIES], expected)


def _average(
    stances: pl.DataFrame, questions: pl.DataFrame, checkpoints: pl.DataFrame
) -> tuple[FloatArray, NDArray[np.int64]]:
    counted = (
        stances.drop_nulls(PROBABILITIES)
        .join(questions, on=["topic", "question_id"])
        .join(checkpoints, on=["run", "step"])
        .sort("c", "q", "sample")
    )
    shape = (checkpoints.height, questions.height)
    cell = np.ravel_multi_index((counted["c"].to_numpy(), counted["q"].to_numpy()), shape)
    # bincount adds in row order, so that the order of the file's rows can't change a last bit.
    answers = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    sums = [np.bincount(cell, counted[p].to_numpy(), minlength=answers.size).reshape(shape) for p in PROBABILITIES]
    return np.where(answers > 0, np.stack(sums) / np.maximum(answers, 1), np.nan).transpose(1, 2, 0), answers


def _common_questions(panel: Panel, topic: str, checkpoints: Sequence[Checkpoint]) -> NDArray[np.bool_]:
    place = panel.topics[topic]
    common = np.ones(place.stop - place.start, dtype=np.bool_)
    for run, step in checkpoints:
        at = panel.checkpoints.get((run, step))
        common &= at is not None and panel.answers[at, place] > 0
        if not common.any():
            raise ArtifactError(
                f"stances, model {panel.model}, run {run}, step {step}, topic {topic}",
                "no question judged both here and at the checkpoints before it",
                "at least one",
                "Generate and judge the missing answers.",
            )
    return common


def _sum(a: TopicValues, b: TopicValues) -> TopicValues:
    return TopicValues(
        ALL, a.questions + b.questions, a.answers + b.answers, a.values + b.values, a.replicates + b.replicates
    )
