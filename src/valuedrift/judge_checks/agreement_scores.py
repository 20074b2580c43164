"""Agreement between two labellings, computed from their confusion matrix, with intervals.

Confusion matrices are (labels, labels, ...): first the truth, then what was found, then bootstrap replicates if any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from valuedrift.statistics.bootstrap import Bootstrap, Estimate, FloatArray
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.titles import with_interval

Labels = NDArray[np.int64]
"""(answers,): for each answer, an index into a tuple of labels."""


@dataclass(frozen=True)
class Scores:
    """How two labellings with k labels agree. A score that isn't defined is NaN.

    Attributes:
        labels: The k labels.
        confusion: Counts (k, k), truth by found.
        accuracy: Share of equal labels.
        macro_f1: See `macro_f1`.
        weighted_f1: See `weighted_f1`.
        kappa: See `cohen_kappa`.
    """

    labels: tuple[str, ...]
    confusion: FloatArray
    accuracy: Estimate
    macro_f1: Estimate
    weighted_f1: Estimate
    kappa: Estimate


def confusion(truth: Labels, found: Labels, size: int) -> FloatArray:
    """Counts (size, size) of each pair of labels."""
    return np.bincount(truth * size + found, minlength=size * size).reshape(size, size).astype(np.float64)


def score(labels: tuple[str, ...], counts: FloatArray, replicates: FloatArray, bootstrap: Bootstrap) -> Scores:
    """Scores of `counts` (k, k) with the intervals of their `replicates` (k, k, replicates)."""
    measured = (
        defined_estimate(float(measure(counts)), measure(replicates), bootstrap)
        for measure in (accuracy, macro_f1, weighted_f1, cohen_kappa)
    )
    return Scores(labels, counts, *measured)


def resample(counts: FloatArray, name: str, bootstrap: Bootstrap) -> FloatArray:
    """The confusion matrices of rows drawn with replacement, (k, k, replicates).

    Drawing rows and counting them per cell is the same as drawing the counts from a multinomial distribution, whose
    cost doesn't grow with the rows. The random stream depends on the bootstrap's seed and `name`.
    """
    rows = counts.sum()
    if rows == 0:
        return np.zeros((*counts.shape, bootstrap.replicates))
    draws = bootstrap.stream(name).multinomial(int(rows), counts.ravel() / rows, size=bootstrap.replicates)
    return np.ascontiguousarray(draws.T, dtype=np.float64).reshape(*counts.shape, -1)


def merge(counts: FloatArray, merged_to: tuple[int, ...]) -> FloatArray:
    """The confusion matrix after label i became label `merged_to[i]`."""
    size = max(merged_to) + 1
    merged = np.zeros((size, size, *counts.shape[2:]))
    for i, row in enumerate(merged_to):
        for j, column in enumerate(merged_to):
            merged[row, column] += counts[i, j]
    return merged


def accuracy(counts: FloatArray) -> FloatArray:
    """The share of equal labels."""
    return _ratio(np.trace(counts), counts.sum(axis=(0, 1)))


def macro_f1(counts: FloatArray) -> FloatArray:
    """Unweighted mean F1 over the labels that occur in the truth or in what was found.

    Equals scikit-learn's f1_score(average="macro", zero_division=0): a label that occurs on one side only counts as 0,
    one that occurs on neither doesn't count.
    """
    f1, occurs = _f1(counts)
    return _ratio(f1.sum(axis=0), occurs.sum(axis=0))


def weighted_f1(counts: FloatArray) -> FloatArray:
    """Mean F1 over labels, weighted by how often each is the truth (scikit-learn's average="weighted")."""
    return _ratio((_f1(counts)[0] * counts.sum(axis=1)).sum(axis=0), counts.sum(axis=(0, 1)))


def cohen_kappa(counts: FloatArray) -> FloatArray:
    """Cohen's unweighted κ (Cohen 1960); NaN if both sides give the same label to every answer."""
    total = counts.sum(axis=(0, 1))
    chance = _ratio((counts.sum(axis=0) * counts.sum(axis=1)).sum(axis=0), total * total)
    return _ratio(accuracy(counts) - chance, 1 - chance)


def defined_estimate(value: float, replicates: FloatArray, bootstrap: Bootstrap) -> Estimate:
    """`value` with the interval of those `replicates` (replicates,) that are defined."""
    defined = replicates[np.isfinite(replicates)]
    if math.isnan(value) or not defined.size:
        return Estimate(value, math.nan, math.nan)
    low, high = bootstrap.interval(defined)
    return Estimate(value, float(low), float(high))


def wilson(share: float, size: float, level: float) -> Estimate:
    """A proportion with Wilson's score interval (Wilson 1927). `size` may be an effective size; 0 gives NaN."""
    if size == 0:
        return Estimate(math.nan, math.nan, math.nan)
    return Estimate(share, *wilson_interval(share * size, size, level))


def as_json(estimate: Estimate) -> dict[str, float | None]:
    """`value, low, high`, null if they aren't defined."""
    return {name: number(getattr(estimate, name)) for name in ("value", "low", "high")}


def number(value: float) -> float | None:
    """`value`, or None if it isn't defined."""
    return None if math.isnan(value) else value


def estimate_text(estimate: Estimate) -> str | None:
    """`0.845 (0.790 to 0.895)`, as tables show it."""
    if math.isnan(estimate.value):
        return None
    return with_interval(estimate.value, estimate.low, estimate.high, ".3f")


def _f1(counts: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    hits = np.einsum("ii...->i...", counts)
    either = counts.sum(axis=0) + counts.sum(axis=1)
    return np.nan_to_num(_ratio(2 * hits, either)), either > 0


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    below = np.asarray(below, dtype=np.float64)
    quotient: FloatArray = np.divide(above, below, out=np.full(below.shape, np.nan), where=np.abs(below) > 1e-12)
    return quotient
