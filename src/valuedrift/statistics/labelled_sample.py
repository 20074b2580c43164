"""A sample of answers labelled by people, and the judge's errors at each training stage estimated from it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import polars as pl
from pydantic import BeforeValidator, Field

from valuedrift.config.section import Invalid
from valuedrift.config.suites import PREFERENCE_ALGORITHMS
from valuedrift.errors import DataError, did_you_mean
from valuedrift.input_tables.checked_rows import (
    JudgedRow,
    LabelOrNone,
    Number,
    Text,
    TextOrNone,
    WholeNumberOrNone,
    read_checked,
    refuse_repeated,
)
from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.panel import PROBABILITIES, STANCES

STAGES = ("base", "sft", "preference")
WORST_CONDITION = 10.0
"""Largest condition number at which a confusion matrix is inverted; inversion can multiply noise by this number."""
FEWEST = 5
"""Smallest number of labelled questions that each true stance, and each topic, needs in a stage."""

_COLUMNS = ("stage", "topic", "question_id", "true_stance", *PROBABILITIES, "weight")
_ANSWER = ("model", "run", "step", "topic", "question_id", "sample")
_NAMES = {"base": "base", **dict.fromkeys(("preference", *PREFERENCE_ALGORITHMS), STAGES[-1]), "sft": "sft"}


def _stage(value: object) -> object:
    name = "" if value is None else str(value).strip().casefold()
    if name and name not in _NAMES:
        raise Invalid("", value, f"one of {', '.join(_NAMES)}", did_you_mean(name, _NAMES))
    return _NAMES.get(name)


class _LabelledRow(JudgedRow):
    renamed: ClassVar = {"human_stance": "true_stance"}

    stage: Annotated[str, BeforeValidator(_stage)]
    topic: Text
    question_id: Text
    true_stance: LabelOrNone
    weight: Annotated[Number, Field(gt=0)]
    model: TextOrNone = None
    run: TextOrNone = None
    step: WholeNumberOrNone = None
    sample: WholeNumberOrNone = None


_SCHEMA = {
    **dict.fromkeys((*PROBABILITIES, "weight"), pl.Float64),
    **dict.fromkeys(("stage", "topic", "question_id", "true_stance", "model", "run"), pl.String),
    **dict.fromkeys(("step", "sample"), pl.Int64),
}


@dataclass(frozen=True)
class Estimated:
    """An array estimated from labels, its bootstrap replicates (last axis) and the number of labelled questions."""

    value: FloatArray
    replicates: FloatArray
    questions: int


@dataclass(frozen=True)
class StageCalibration:
    """The judge's errors at one training stage.

    Attributes:
        confusion: Row t is the mean (p_support, p_neutral, p_oppose) of the answers of all topics whose true stance is
            t, (3, 3); or the reason why it can't be estimated.
        rectifiers: Topic → mean of (true − judged), (3,) (Angelopoulos et al. 2023, section 2), or the reason why it
            can't be estimated.
    """

    confusion: Estimated | str
    rectifiers: Mapping[str, Estimated | str]


@dataclass(frozen=True)
class _TopicSums:
    """Weighted sums over the answers to each question of a topic.

    Attributes:
        hits: Judged probabilities per true stance, (questions, 3, 3).
        counts: Answers per true stance, (questions, 3).
        gaps: True minus judged, (questions, 3).
        draws: How often each question is drawn, (questions, replicates).
    """

    hits: FloatArray
    counts: FloatArray
    gaps: FloatArray
    draws: FloatArray


def read_labelled(path: Path, model: str) -> pl.DataFrame:
    """Read a model's rows of a parquet, CSV or JSON lines file for `calibrate_stages`.

    A column `human_stance`, as in a filled sheet of the judge check, is read as `true_stance`; a refusal is neutral.
    Stages other than base and sft, which are preference algorithms such as dpo, are read as preference. Without a
    column `model`, all rows are the model's.

    Raises:
        DataError: A column is missing, a value is wrong, a row is repeated, or all rows are of other models.
        ArtifactError: The file is missing or of another kind.
    """
    rows = read_checked(path, _LabelledRow)
    answers = [(number, row.model_dump(include=set(_ANSWER))) for number, row in rows]
    whole = [(number, tuple(key.values())) for number, key in answers if None not in key.values()]
    refuse_repeated(path, whole, "the answer")
    if repeated := len(rows) - len(whole) and len(rows) - len({tuple(row) for _, row in rows}):
        told = f"{path}: {repeated} rows repeat another one in every column and count as other answers."
        print(f"{told} With the columns {', '.join(_ANSWER)}, answers that are there twice are found.", file=sys.stderr)
    own = [row for _, row in rows if row.model in (None, model)]
    if not own:
        names = ", ".join(sorted({str(row.model) for _, row in rows}))
        raise DataError(path, None, "model", names, model, "Label answers of this model.")
    table = pl.DataFrame([row.model_dump() for row in own], schema=_SCHEMA)
    refused = pl.col("true_stance") == "refusal"
    return table.with_columns(true_stance=pl.when(refused).then(pl.lit("neutral")).otherwise("true_stance"))


def calibrate_stages(labelled: pl.DataFrame, bootstrap: Bootstrap) -> dict[str, StageCalibration]:
    """Estimate the judge's errors at each stage; questions are resampled within stage and topic.

    Args:
        labelled: One row per answer: `stage, topic, question_id, true_stance, p_support, p_neutral, p_oppose, weight`;
            `weight` is the number of answers of its stage that the row represents. Rows with nulls are left out.
        bootstrap: Settings of the replicates.

    Returns:
        Stage → its calibration, for the stages of `labelled`.
    """
    rows = labelled.drop_nulls(_COLUMNS).sort("stage", "topic", "question_id", *PROBABILITIES, "true_stance")
    return {
        stage: _calibrate(rows.filter(stage=stage), stage, bootstrap)
        for stage in STAGES
        if not rows.filter(stage=stage).is_empty()
    }


def _calibrate(rows: pl.DataFrame, stage: str, bootstrap: Bootstrap) -> StageCalibration:
    topics = {
        topic: _sums(rows.filter(topic=topic), f"labels of {topic} at {stage}", bootstrap)
        for topic in rows["topic"].unique().sort()
    }
    return StageCalibration(
        _confusion(list(topics.values()), stage),
        {topic: _rectifier(sums, stage, topic) for topic, sums in topics.items()},
    )


def _sums(rows: pl.DataFrame, name: str, bootstrap: Bootstrap) -> _TopicSums:
    question = rows["question_id"].rank("dense").to_numpy() - 1
    size = int(question.max()) + 1
    p, weight = rows.select(PROBABILITIES).to_numpy(), rows["weight"].cast(pl.Float64).to_numpy()
    true = np.stack([(rows["true_stance"] == stance).to_numpy() for stance in STANCES], axis=1) * weight[:, None]
    hits, counts, gaps = np.zeros((size, 3, 3)), np.zeros((size, 3)), np.zeros((size, 3))
    np.add.at(hits, question, true[:, :, None] * p[:, None, :])
    np.add.at(counts, question, true)
    np.add.at(gaps, question, true - weight[:, None] * p)
    return _TopicSums(hits, counts, gaps, bootstrap.weights(name, size))


def _confusion(topics: list[_TopicSums], stage: str) -> Estimated | str:
    seen = sum((topic.counts > 0).sum(axis=0) for topic in topics)
    for stance, questions in zip(STANCES, np.asarray(seen), strict=True):
        if questions < FEWEST:
            return f"stage {stage}: {questions} labelled questions with true stance {stance}, {FEWEST} needed"
    hits, counts = sum(topic.hits.sum(axis=0) for topic in topics), sum(topic.counts.sum(axis=0) for topic in topics)
    matrix = np.asarray(hits) / np.asarray(counts)[:, None]
    condition = float(np.linalg.cond(matrix))
    if condition > WORST_CONDITION:
        return (
            f"stage {stage}: the judge's confusion has condition {condition:.0f}, at most {WORST_CONDITION:.0f} works"
        )
    drawn_hits = np.asarray(sum(np.einsum("qtp,qb->tpb", topic.hits, topic.draws) for topic in topics))
    drawn_counts = np.asarray(sum(topic.counts.T @ topic.draws for topic in topics))[:, None]
    # If a replicate has no answer of a true stance, its row is the one of the estimated matrix.
    drawn = np.where(drawn_counts > 0, drawn_hits / np.where(drawn_counts > 0, drawn_counts, 1), matrix[..., None])
    questions = sum(len(topic.counts) for topic in topics)
    return Estimated(matrix, _widened(matrix, drawn, questions), questions)


def _rectifier(sums: _TopicSums, stage: str, topic: str) -> Estimated | str:
    size = len(sums.gaps)
    if size < FEWEST:
        return f"stage {stage}, topic {topic}: {size} labelled questions, {FEWEST} needed"
    totals = sums.counts.sum(axis=1)
    value = sums.gaps.sum(axis=0) / totals.sum()
    return Estimated(value, _widened(value, sums.gaps.T @ sums.draws / (totals @ sums.draws), size), size)


def _widened(value: FloatArray, replicates: FloatArray, size: int) -> FloatArray:
    """Scale replicates of a mean of `size` questions, whose variance is too small by the factor (size − 1) / size."""
    return np.asarray(value[..., None] + np.sqrt(size / (size - 1)) * (replicates - value[..., None]))
