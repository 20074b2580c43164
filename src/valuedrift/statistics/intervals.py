"""Intervals of a mean over questions, from its bootstrap replicates, and of a proportion.

A plain percentile interval of a mean is too narrow with few questions, and is shifted to one side if the question means
are skewed. Both errors are known to first order. Therefore the two percentiles are not 2.5 and 97.5 %, but are moved
(Efron and Tibshirani 1993, section 14.3, BCa; Hesterberg 2015, section 4.5, expansion for small samples).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray

NO_VARIANCE = 1e-24
"""A variance below this is the rounding error of equal numbers."""
_NEARER = 0.93


@dataclass(frozen=True)
class Spread:
    """Variance and skewness of a mean of topic means, from the scatter of questions; arrays are shaped like the means.

    Attributes:
        questions: Number of questions of all topics together.
        variance: Squared standard error: the sum over topics of s² / n, divided by the squared number of topics.
        drawn: The variance of bootstrap replicates, which is smaller by the factor (n − 1) / n in each topic.
        freedom: Degrees of freedom of `variance` (n − 1; with several topics, Welch and Satterthwaite's).
        acceleration: The a of BCa: a sixth of the skewness of the questions' influence on the mean.
        least: The variance that an interval has to allow for at least; 0 where nothing is known of it.
    """

    questions: int
    variance: FloatArray
    drawn: FloatArray
    freedom: FloatArray
    acceleration: FloatArray
    least: FloatArray


def spread_of(topics: Sequence[FloatArray], skewed: bool = True, answers: float | None = None) -> Spread:
    """Measure the scatter of question means around the mean of topic means.

    A topic with a single question has infinite variance.

    Args:
        topics: Question means of each topic, (..., questions).
        skewed: Whether to estimate the acceleration; otherwise it is 0. For paired differences 0 is better: their true
            skewness is small compared with the noise of its estimate (docs/statistics_evidence.md shows the coverage).
        answers: Answers per question, if the means are changes: `least` is then the variance with `pseudo_variance`.
    """
    share = 1 / len(topics)
    second, drawn, third, fourth, least = np.zeros((5, *topics[0].shape[:-1]))
    for means in topics:
        size = means.shape[-1]
        influence = (means - means.mean(axis=-1, keepdims=True)) * (share / size)
        squares = np.einsum("...q,...q->...", influence, influence)
        own = squares * size / (size - 1) if size > 1 else np.full(squares.shape, np.inf)
        second, drawn, fourth = second + own, drawn + squares, fourth + own**2 / max(size - 1, 1)
        third = third + np.einsum("...q,...q,...q->...", influence, influence, influence)
        if answers is not None:
            least = least + np.maximum(own, share**2 * pseudo_variance(own / share**2, size, answers))
    moves = drawn > NO_VARIANCE
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.where(moves & np.isfinite(second), np.square(second) / fourth, 1.0)
        acceleration = np.where(moves & skewed, third / (6 * np.power(drawn, 1.5)), 0.0)
    return Spread(sum(means.shape[-1] for means in topics), second, drawn, freedom, acceleration, least)


def pseudo_variance(variance: FloatArray, questions: int, answers: float) -> FloatArray:
    """Return the variance of a mean change if two more questions had changed, by one answer up and by one down.

    Checkpoints that share their random numbers often give the same answers, so that in a small sample no question, or
    one, may change. The scatter of such changes says nothing about the questions that were not asked. As with Agresti
    and Coull's (1998) interval of a proportion, pseudo-observations keep the interval from having no width.

    Args:
        variance: Squared standard errors of the mean changes, (...).
        questions: Number of questions.
        answers: Answers per question; one answer changes a question's mean by 1 / answers.
    """
    scatter = variance * questions * (questions - 1) if questions > 1 else np.full(np.shape(variance), np.inf)
    return np.asarray((scatter + 2 / answers**2) / (questions * (questions + 1)))


def interval_of_mean(
    values: FloatArray,
    replicates: FloatArray,
    spread: Spread,
    bootstrap: Bootstrap,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[FloatArray, FloatArray]:
    """Compute the intervals of means of question means.

    If all questions have equal means, the interval has width 0; if a topic has a single question, the interval is
    `bounds`. If all n questions are at a bound, for example with a stance that no answer takes, up to
    1 − ((1 − level) / 2)^(1/n) of the population may be elsewhere (Clopper and Pearson 1934), and the interval extends
    that far.

    Args:
        values: The means, (...).
        replicates: Their bootstrap replicates, (..., replicates).
        spread: The scatter of the same questions.
        bootstrap: Settings; `level` is the level of the interval.
        bounds: Lowest and highest possible mean.

    Returns:
        The low and the high ends, each of the shape of `values`.
    """
    low, high = np.array(values, dtype=np.float64), np.array(values, dtype=np.float64)
    known = np.isfinite(spread.variance)
    moves = known & (spread.drawn > NO_VARIANCE)
    low[moves], high[moves] = percentiles(
        [replicates[tuple(cell)] for cell in np.argwhere(moves).tolist()],
        values[moves],
        np.sqrt(spread.drawn[moves]),
        *(share[moves] for share in _shares(spread, bootstrap.level)),
    )
    # A percentile may be on the wrong side of its value; the interval always includes the value.
    low, high = np.minimum(low, values), np.maximum(high, values)
    wide = known & (spread.least > spread.variance * (1 + 1e-9))
    # Two pseudo-questions: one degree of freedom more than there are questions.
    degrees = np.maximum(spread.freedom, spread.questions + 1)
    reach = np.where(wide, stdtrit(degrees, (1 + bootstrap.level) / 2) * np.sqrt(spread.least), 0.0)
    low, high = np.minimum(low, values - reach), np.maximum(high, values + reach)
    unseen = (bounds[1] - bounds[0]) * (1 - ((1 - bootstrap.level) / 2) ** (1 / spread.questions))
    low = np.where(values >= bounds[1], bounds[1] - unseen, low)
    high = np.where(values <= bounds[0], bounds[0] + unseen, high)
    return (
        np.where(known, np.maximum(low, bounds[0]), bounds[0]),
        np.where(known, np.minimum(high, bounds[1]), bounds[1]),
    )


def percentiles(
    replicates: Sequence[FloatArray], centre: FloatArray, scale: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the quantiles `low` and `high` of each array, like `numpy.quantile`, but several times as fast.

    Only the replicates far from the centre are sorted: those beyond `_NEARER` times the distance that the quantile
    would have in a normal distribution. If there are too few of these, all replicates are sorted.

    Args:
        replicates: n arrays of one length.
        centre: Approximate mean of each array, (n,).
        scale: Approximate standard deviation of each array, (n,).
        low: Share of the replicates below the low quantile, (n,).
        high: Share of the replicates below the high quantile, (n,).
    """
    if not replicates:
        return np.empty(0), np.empty(0)
    size = len(replicates[0])
    under, over = (_NEARER * np.clip(z, 0, 1e6) * scale for z in (-ndtri(low), ndtri(high)))
    places = (one.tolist() for one in (centre - under, centre + over, low * (size - 1), (1 - high) * (size - 1)))
    # If at least a tenth of a mask is true, numpy finds its true values without branching, in half the time.
    mask = np.ones(size + size // 8, dtype=np.bool_)
    ends = [_two_ends(mask, *cell) for cell in zip(replicates, *places, strict=True)]
    return np.array([end[0] for end in ends]), np.array([end[1] for end in ends])


def _two_ends(
    mask: NDArray[np.bool_], replicates: FloatArray, under: float, over: float, first: float, last: float
) -> tuple[float, float]:
    """Return the number at place `first` from below, likely < `under`, and at `last` from above, likely > `over`."""
    size = len(replicates)
    np.logical_or(replicates < under, replicates > over, out=mask[:size])
    found = mask.nonzero()[0]
    outer = replicates[found[: len(found) + size - len(mask)]]
    outer.sort()
    if len(outer) < first + last + 4 or outer[int(first) + 1] >= under or outer[-int(last) - 2] <= over:
        outer = np.sort(replicates)
    return _interpolated(outer, first), _interpolated(outer, len(outer) - 1 - last)


def _interpolated(ordered: FloatArray, place: float) -> float:
    """Return the number at a fractional place, by linear interpolation."""
    below = min(max(int(place), 0), len(ordered) - 2)
    low, high = ordered[below : below + 2].tolist()
    return float(low + (min(place, len(ordered) - 1) - below) * (high - low))


def wilson_interval(count: float, total: float, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval (Wilson 1927) of the proportion `count` / `total`; `total` must be above 0."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (count + z * z / 2) / (total + z * z)
    half = z / (total + z * z) * math.sqrt(count * (total - count) / total + z * z / 4)
    return max(0.0, centre - half), min(1.0, centre + half)


def clustered_interval(
    right: NDArray[np.bool_], clusters: NDArray[np.str_], level: float = 0.95
) -> tuple[float, float]:
    """Return Wilson's interval of the share of `right` rows, for the effective number of rows.

    Rows of one cluster aren't independent. The effective number is that of independent rows whose share varies as much
    as the share of these clusters (Kish 1965, the design effect). If all rows are right, or none is, their
    dependence can't be seen, and the number of clusters counts.

    Args:
        right: (rows,), at least one.
        clusters: (rows,), the cluster of each row.
    """
    _, place = np.unique(clusters, return_inverse=True)
    rows, groups, share = len(right), int(place.max()) + 1, float(np.mean(right))
    variance = float(np.square(np.bincount(place, weights=right - share)).sum()) / rows**2
    effective = share * (1 - share) / variance if variance > NO_VARIANCE else groups
    number = min(rows, effective)
    return wilson_interval(share * number, number, level)


def _shares(spread: Spread, level: float) -> tuple[FloatArray, FloatArray]:
    """Return the shares of replicates below the low end and below the high end of the interval."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = spread.variance / spread.drawn
    wider = np.where((spread.drawn > NO_VARIANCE) & np.isfinite(ratio), np.sqrt(ratio), 1.0)
    reach = stdtrit(spread.freedom, (1 + level) / 2) * wider
    a = spread.acceleration
    return _accelerated(a, a - reach), _accelerated(a, a + reach)


def _accelerated(a: FloatArray, z: FloatArray) -> FloatArray:
    """Return BCa's share for the normal quantile z; the bias correction is set to a, which it equals to first order."""
    left = 1 - a * z
    with np.errstate(divide="ignore", invalid="ignore"):
        share = ndtr(a + z / np.where(left > 0, left, np.nan))
    # At 1 − a z = 0 the share has reached 0 or 1.
    return np.asarray(np.where(left > 0, share, (z > 0).astype(np.float64)))
