"""Agreement between two labellings, computed from their confusion matrix, with intervals.

Confusion matrices are (labels, labels, ...). The axes are: the true label; the found label; and, if there are bootstrap
replicates, the sample itself and then its replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.titles import with_interval

Labels = NDArray[np.int64]
"""(answers,): per answer an index into a tuple of labels."""

Bounded = tuple[float | None, float | None, float | None]
"""A number with the low and the high end of its interval; None if not defined."""

ENDS = ("", "_low", "_high")
"""The endings of the names of a number's three columns."""


def confusion(truth: Labels, found: Labels, size: int) -> FloatArray:
    """Count each pair of labels, (size, size)."""
    return np.bincount(truth * size + found, minlength=size * size).reshape(size, size).astype(np.float64)


def scores(labels: Sequence[str], counts: FloatArray, bootstrap: Bootstrap) -> dict[str, Any]:
    """Compute the scores of `counts` (k, k, 1 + replicates) with their intervals.

    Returns:
        A JSON object: `labels` (k), `confusion` (counts, truth by found), and `accuracy`, `macro_f1`, `weighted_f1`
        and `kappa`, each with `value, low, high`, which are null if not defined.
    """
    measures = {"accuracy": accuracy, "macro_f1": macro_f1, "weighted_f1": weighted_f1, "kappa": cohen_kappa}
    found: dict[str, Any] = {"labels": list(labels), "confusion": counts[..., 0].astype(np.int64).tolist()}
    for name, measure in measures.items():
        value, low, high = estimate(measure(counts), bootstrap)
        found[name] = {"value": value, "low": low, "high": high}
    return found


def resample(counts: FloatArray, name: str, bootstrap: Bootstrap) -> FloatArray:
    """Return `counts` and the confusion matrices of rows drawn with replacement, (k, k, 1 + replicates).

    Drawing rows and counting them per cell is the same as drawing the counts from a multinomial distribution; the cost
    of the latter doesn't grow with the rows. The random stream depends on the bootstrap's seed and on `name`.
    """
    rows = int(counts.sum())
    shares = counts.ravel() / max(rows, 1)
    draws = bootstrap.stream(name).multinomial(rows, shares, size=bootstrap.replicates)
    return np.vstack([counts.ravel(), draws]).T.reshape(*counts.shape, -1)


def merge(counts: FloatArray, merged_to: tuple[int, ...]) -> FloatArray:
    """Return the confusion matrix in which label i is replaced by label `merged_to[i]`."""
    to = np.eye(max(merged_to) + 1)[list(merged_to)]
    return np.asarray(np.einsum("ia,jb,ij...->ab...", to, to, counts))


def accuracy(counts: FloatArray) -> FloatArray:
    """Return the share of equal labels."""
    return ratio(np.trace(counts), counts.sum(axis=(0, 1)))


def macro_f1(counts: FloatArray) -> FloatArray:
    """Return the unweighted mean F1 over the labels that occur among the true or the found labels.

    Equals scikit-learn's f1_score(average="macro", zero_division=0): a label that occurs on one side only has F1 0, a
    label that occurs on neither side isn't part of the mean.
    """
    f1, occurs = _f1(counts)
    return ratio(f1.sum(axis=0), occurs.sum(axis=0))


def weighted_f1(counts: FloatArray) -> FloatArray:
    """Return the mean F1 over labels, weighted by their numbers of true labels (scikit-learn's average="weighted")."""
    return ratio((_f1(counts)[0] * counts.sum(axis=1)).sum(axis=0), counts.sum(axis=(0, 1)))


def cohen_kappa(counts: FloatArray) -> FloatArray:
    """Return Cohen's unweighted κ (Cohen 1960); NaN if both sides give one and the same label to all answers."""
    total = counts.sum(axis=(0, 1))
    chance = ratio((counts.sum(axis=0) * counts.sum(axis=1)).sum(axis=0), total * total)
    return ratio(accuracy(counts) - chance, 1 - chance)


def estimate(values: FloatArray, bootstrap: Bootstrap) -> Bounded:
    """Return the first of `values` (1 + replicates,), with the interval of the replicates that are defined."""
    value, replicates = values[0], values[1:][np.isfinite(values[1:])]
    if np.isnan(value) or not replicates.size:
        return None, None, None
    low, high = bootstrap.interval(replicates)
    return float(value), float(low), float(high)


def estimate_text(value: float | None, low: float | None, high: float | None) -> str | None:
    """Return a number and its interval as tables show them: `0.845 (0.790 to 0.895)`."""
    if value is None or low is None or high is None:
        return None
    return with_interval(value, low, high, ".3f")


def intervals_as_text(table: pl.DataFrame) -> pl.DataFrame:
    """Return `table` with the columns `x`, `x_low` and `x_high` of each number as one column of text."""
    for name in [column for column in table.columns if f"{column}_low" in table.columns]:
        texts = [estimate_text(*row) for row in table.select(f"{name}{end}" for end in ENDS).iter_rows()]
        table = table.with_columns(pl.Series(name, texts, pl.String)).drop(f"{name}_low", f"{name}_high")
    return table


def _f1(counts: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    hits = np.einsum("ii...->i...", counts)
    either = counts.sum(axis=0) + counts.sum(axis=1)
    return np.nan_to_num(ratio(2 * hits, either)), either > 0


def ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Return `above` / `below`; NaN where `below` is 0."""
    below = np.asarray(below, dtype=np.float64)
    quotient: FloatArray = np.divide(above, below, out=np.full(below.shape, np.nan), where=np.abs(below) > 1e-12)
    return quotient
