"""A sample of answers labelled by people, and the judge's errors at each training stage estimated from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from valuedrift.errors import ArtifactError, require_columns
from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.panel import PROBABILITIES, STANCES

STAGES = ("base", "sft", "preference")
WORST_CONDITION = 10.0
"""Largest condition number at which a confusion matrix is inverted; inversion can multiply noise by this number."""
FEWEST = 5
"""Smallest number of labelled questions that each true stance, and each topic, needs in a stage."""

_COLUMNS = ("stage", "topic", "question_id", "true_stance", *PROBABILITIES, "weight")


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


def read_labelled(path: Path) -> pl.DataFrame:
    """Read a parquet or CSV file for `calibrate_stages`.

    A column `human_stance`, as in a filled sheet of the judge check, is read as `true_stance`. Stages other than base
    and sft, such as dpo, are read as preference.

    Raises:
        ArtifactError: The file is missing or neither parquet nor CSV, a column is missing, a true stance is unknown, or
            a weight is not above 0.
    """
    if path.suffix not in (".parquet", ".csv") or not path.is_file():
        raise ArtifactError(path, path.suffix if path.exists() else "no such file", "a .parquet or .csv file")
    rows = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    if "true_stance" not in rows.columns and "human_stance" in rows.columns:
        rows = rows.rename({"human_stance": "true_stance"})
    require_columns(path, rows.columns, _COLUMNS)
    if unknown := sorted(set(rows["true_stance"].drop_nulls()) - set(STANCES)):
        raise ArtifactError(f"{path}, column true_stance", unknown, f"one of {', '.join(STANCES)}")
    if (rows["weight"] <= 0).any():
        raise ArtifactError(f"{path}, column weight", rows["weight"].min(), "numbers above 0")
    known = pl.col("stage").is_in(STAGES)
    return rows.with_columns(stage=pl.when(known).then("stage").otherwise(pl.lit(STAGES[-1])))


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
