"""The bootstrap over questions, and means of its replicates.

Replicates are always the last axis of an array.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Number of replicates drawn at once; small enough for the processor's cache.
_BLOCK = 1000


@dataclass(frozen=True)
class Bootstrap:
    """Settings of the percentile bootstrap; questions are the clusters that are resampled."""

    seed: int = 0
    replicates: int = 10_000
    level: float = 0.95

    def stream(self, name: str) -> np.random.Generator:
        """Return an independent random stream that depends only on the seed and `name`."""
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "big")
        return np.random.default_rng([self.seed, key])

    def weights(self, topic: str, questions: int) -> FloatArray:
        """Draw how often each question of `topic` counts, (questions, replicates); other topics don't affect it."""
        random, kind = self.stream(topic), np.min_scalar_type(questions - 1)
        counts = np.empty((questions, self.replicates))
        for first in range(0, self.replicates, _BLOCK):
            size = min(_BLOCK, self.replicates - first)
            # Each row has one draw per replicate: the index of the cell (question, replicate) that it is counted in.
            cells = random.integers(0, questions, size=(questions, size), dtype=kind) * np.intp(size) + np.arange(size)
            drawn = np.bincount(cells.ravel(), minlength=cells.size).reshape(questions, size)
            counts[:, first : first + size] = drawn
        return counts

    def interval(self, replicates: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the low and high ends of the percentile interval over the last axis."""
        tail = (1 - self.level) / 2
        low, high = np.quantile(replicates, [tail, 1 - tail], axis=-1)
        return low, high


@dataclass(frozen=True)
class Estimate:
    """A number with its interval."""

    value: float
    low: float
    high: float


def estimate(value: float, replicates: FloatArray, bootstrap: Bootstrap) -> Estimate:
    """Return `value` with the interval of its `replicates`, (replicates,)."""
    low, high = bootstrap.interval(replicates)
    return Estimate(float(value), float(low), float(high))


def mean(values: FloatArray, replicates: FloatArray, bootstrap: Bootstrap) -> Estimate:
    """Return the mean over all cells of values (cells...) with replicates (cells..., replicates)."""
    return estimate(float(values.mean()), _mean_of_cells(replicates), bootstrap)


def _mean_of_cells(replicates: FloatArray) -> FloatArray:
    result: FloatArray = replicates.mean(axis=tuple(range(replicates.ndim - 1)))
    return result
