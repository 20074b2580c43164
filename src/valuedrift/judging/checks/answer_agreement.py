"""Measure how well two judges agree on the same answers, by stage and topic."""

from __future__ import annotations

from itertools import product

import numpy as np
import polars as pl

from valuedrift.judging.checks.agreement_scores import ENDS, accuracy, cohen_kappa, estimate, ratio
from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.panel import ALL, PROBABILITIES, STANCES

MEASURES = ("agreement", "kappa", "distance")

_PLACE = ("model", "stage", "topic")
_COUNTS = ("both", "only_old", "only_new")
_SCHEMA = {
    **dict.fromkeys(_PLACE, pl.String),
    **dict.fromkeys(_COUNTS, pl.Int64),
    **dict.fromkeys((f"{measure}{end}" for measure in MEASURES for end in ENDS), pl.Float64),
}
_CELLS = len(STANCES) ** 2


def agreement_table(matched: pl.DataFrame, bootstrap: Bootstrap) -> pl.DataFrame:
    """Compute the agreement of two judges on one model's answers, by stage and topic, and over "all" of either.

    Args:
        matched: One model's answers; see `match`.
        bootstrap: Settings of the bootstrap. Questions are drawn within topics.

    Returns:
        Columns `model, stage, topic`; `both, only_old, only_new`: the numbers of answers that both judges or only one
        judged; then, each with `_low` and `_high`, `agreement` of the most probable stance (of equally probable ones,
        the first of support, neutral, oppose), `kappa`, and `distance`, the mean total-variation distance of the
        probabilities. "all" pools the answers.
    """
    stages, topics = matched["stage"].unique(maintain_order=True), matched["topic"].unique().sort()
    sums = _sums(matched, bootstrap)
    rows = []
    for stage, topic in product((*stages, ALL), (*topics, ALL)):
        if (stage, topic) in sums:
            place = dict(zip(_PLACE, (matched["model"][0], stage, topic), strict=True))
            answers = matched.filter(pl.col(key) == name for key, name in place.items() if name != ALL)
            rows.append(place | _counts(answers) | _measures(sums[stage, topic], bootstrap))
    return pl.DataFrame(rows, schema=_SCHEMA)


def _sums(matched: pl.DataFrame, bootstrap: Bootstrap) -> dict[tuple[str, str], FloatArray]:
    """Sum over the answers by stage and topic, and over "all" of either: (10, 1 + replicates), the sample itself first.

    The ten rows are the nine cells of the confusion matrix and the distance.
    """
    found: dict[tuple[str, str], FloatArray] = {}
    for (topic,), answers in matched.sort("topic", maintain_order=True).group_by("topic", maintain_order=True):
        place = pl.col("question_id").rank("dense").cast(pl.Int64) - 1
        judged = answers.filter("in_old", "in_new").with_columns(question=place)
        drawn = bootstrap.weights(str(topic), max(1, judged["question"].n_unique()))
        weights = np.column_stack([np.ones(len(drawn)), drawn])
        for stage in answers["stage"].unique(maintain_order=True):
            cell = _cell_sums(judged.filter(stage=stage), weights)
            for key in product((stage, ALL), (topic, ALL)):
                found[key] = found[key] + cell if key in found else cell
    return found


def _cell_sums(judged: pl.DataFrame, weights: FloatArray) -> FloatArray:
    size, question = len(weights), judged["question"].to_numpy()
    old, new = (judged.select(f"{p}{end}" for p in PROBABILITIES).to_numpy() for end in ("", "_new"))
    cell = old.argmax(axis=1) * len(STANCES) + new.argmax(axis=1)
    counts = np.bincount(question * _CELLS + cell, minlength=size * _CELLS).reshape(size, _CELLS)
    distance = np.bincount(question, np.abs(old - new).sum(axis=1) / 2, minlength=size)
    return np.column_stack([counts, distance]).T @ weights


def _counts(answers: pl.DataFrame) -> dict[str, int]:
    old, new = pl.col("in_old"), pl.col("in_new")
    which = dict(zip(_COUNTS, (old & new, old & ~new, new & ~old), strict=True))
    return answers.select(rows.sum().alias(name) for name, rows in which.items()).row(0, named=True)


def _measures(sums: FloatArray, bootstrap: Bootstrap) -> dict[str, float | None]:
    """Return agreement, κ and mean distance, each with its interval, from sums (10, 1 + replicates)."""
    counts, distance = sums[:_CELLS].reshape(len(STANCES), len(STANCES), -1), sums[_CELLS]
    measured = (accuracy(counts), cohen_kappa(counts), ratio(distance, counts.sum(axis=(0, 1))))
    return {
        f"{name}{end}": number
        for name, values in zip(MEASURES, measured, strict=True)
        for end, number in zip(ENDS, estimate(values, bootstrap), strict=True)
    }
