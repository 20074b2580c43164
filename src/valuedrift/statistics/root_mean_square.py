"""The root mean square of many changes, with its sampling noise taken off, and the interval that goes with it.

The mean of |M| over cells is positive by noise alone, and no bootstrap of it has an interval that holds. The sum of
squares has a known distribution instead: divided by its noise, it follows a noncentral F distribution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import fdtr, ncfdtrinc

from valuedrift.statistics.bootstrap import FloatArray
from valuedrift.statistics.intervals import pseudo_variance

# SciPy's inverse of the noncentral F distribution is capped at a noncentrality of 10,000; beyond this we approximate.
_LARGE = 5000.0


@dataclass(frozen=True)
class RootMeanSquare:
    """√max(0, mean(M² − se²)) over cells.

    Attributes:
        value: The root mean square without noise.
        square: Mean M² over cells.
        noise: Mean squared standard error over cells.
        cells: Effective number of independent cells; degrees of freedom of `square`.
        freedom: Degrees of freedom of `noise`.
        influence: What each question adds to `square`, to first order: one array (questions,) per topic.
    """

    value: float
    square: float
    noise: float
    cells: float
    freedom: float
    influence: tuple[FloatArray, ...]

    def bounds(self, tail: float) -> tuple[float, float]:
        """Return the lower and the upper bound, each of which is wrong with a probability of at most `tail`.

        The mean square that fits F = square / noise is λ · noise / cells, for the noncentralities λ at which F is the
        1 − tail and the tail quantile. If F is below 1, its value without any change, the upper bound is that of F = 1:
        cells that happen to agree are no evidence of more precision than there is.
        """
        if self.noise == 0:
            return self.value, self.value
        if not math.isfinite(self.noise):
            return 0.0, math.inf
        ratio = self.square / self.noise
        low, high = (
            math.sqrt(_noncentrality(share, f, self.cells, self.freedom) * self.noise / self.cells)
            for share, f in ((1 - tail, ratio), (tail, max(ratio, 1.0)))
        )
        return min(low, self.value), max(high, self.value)


def root_mean_square(
    topics: Sequence[FloatArray], offsets: Sequence[FloatArray] | None = None, answers: float | None = None
) -> RootMeanSquare:
    """Compute the root mean square over all cells of all topics.

    Cells of a topic share its questions, so they are correlated; topics are independent. The degrees of freedom are
    Satterthwaite's for these covariances: with K independent cells of n questions they are K and K(n − 1).

    Args:
        topics: What the cells are means of, per topic (cells, questions).
        offsets: What is taken from each cell, per topic (cells,); 0 by default.
        answers: Answers per question, if the cells are changes: their variance is then at least that with two more
            questions that change by ± one answer (see `pseudo_variance`).
    """
    square = noise = plain = second = second_error = 0.0
    influence = []
    count = sum(len(topic) for topic in topics)
    for t, topic in enumerate(topics):
        size = topic.shape[1]
        means = topic.mean(axis=1) - (0.0 if offsets is None else offsets[t])
        off = topic - topic.mean(axis=1, keepdims=True)
        covariance = off @ off.T / (size * max(size - 1, 1)) if size > 1 else np.full((len(topic),) * 2, np.inf)
        variance = np.diag(covariance)
        floored = variance if answers is None else np.maximum(variance, pseudo_variance(variance, size, answers))
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.sqrt(np.where(variance > 0, floored / variance, 0.0))
        covariance = covariance * np.outer(scale, scale)
        np.fill_diagonal(covariance, floored)
        own = float(np.square(covariance).sum())
        square += float(means @ means)
        plain += float(variance.sum())
        noise += float(floored.sum())
        second += own
        second_error += own / max(size - 1, 1)
        influence.append(2 * (means @ off) / (size * count))
    value = math.sqrt(max(0.0, square - plain) / count) if math.isfinite(plain) else 0.0
    known = second > 0 and math.isfinite(second)
    return RootMeanSquare(
        value=value,
        square=square / count,
        noise=noise / count,
        cells=noise**2 / second if known else 1.0,
        freedom=noise**2 / second_error if known else 1.0,
        influence=tuple(influence),
    )


@dataclass(frozen=True)
class RootDifference:
    """The difference of two root mean squares over the same topics and questions.

    Its bounds combine those of the two (Zou and Donner 2008), with the correlation that their questions show.
    """

    first: RootMeanSquare
    second: RootMeanSquare

    @property
    def value(self) -> float:
        return self.first.value - self.second.value

    def bounds(self, tail: float) -> tuple[float, float]:
        """Return the lower and the upper bound, each of which is wrong with a probability of at most `tail`."""
        (low, high), (other_low, other_high) = self.first.bounds(tail), self.second.bounds(tail)
        together = _correlation(self.first.influence, self.second.influence)
        down = _combined(self.first.value - low, other_high - self.second.value, together)
        up = _combined(high - self.first.value, self.second.value - other_low, together)
        return self.value - down, self.value + up


def _combined(first: float, second: float, correlation: float) -> float:
    return math.sqrt(max(0.0, first**2 + second**2 - 2 * correlation * first * second))


def _correlation(first: Sequence[FloatArray], second: Sequence[FloatArray]) -> float:
    a, b = np.concatenate(list(first)), np.concatenate(list(second))
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 0 else 0.0


def _noncentrality(share: float, ratio: float, cells: float, freedom: float) -> float:
    """Return the λ with which the noncentral F distribution has `share` below `ratio`; 0 if even λ = 0 has less."""
    if ratio * cells < _LARGE:
        return float(ncfdtrinc(cells, freedom, share, ratio))

    def below(noncentrality: float) -> float:
        """Patnaik's (1949) approximation by a central F distribution, which is good for large noncentralities."""
        scale = 1 + noncentrality / cells
        degrees = (cells + noncentrality) ** 2 / (cells + 2 * noncentrality)
        return float(fdtr(degrees, freedom, ratio / scale)) - share

    top = 4.0 * ratio * cells
    while below(top) > 0:
        top *= 4
    return float(brentq(below, 0.0, top)) if below(0.0) > 0 else 0.0
