"""The interval of a mean over questions, read off its bootstrap replicates so that it holds with few questions too.

A plain percentile interval is too narrow with few questions, and lies to the wrong side where the questions are
skewed. Both are known to first order, so its two percentiles are moved (Efron and Tibshirani 1993, section 14.3, BCa;
Hesterberg 2015, section 4.5, expansion for small samples) instead of being taken at 2.5 and 97.5 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray

# Below this a variance is what rounding leaves of equal numbers.
_NO_VARIANCE = 1e-24
_NEARER = 0.93


@dataclass(frozen=True)
class Spread:
    """What the questions' scatter says of a mean of topic means; arrays of the means' shape.

    variance: squared standard error, the sum over topics of s² / n, by topics²
    drawn: the variance that bootstrap replicates have, smaller by (n − 1) / n in each topic
    questions: of all topics
    freedom: degrees of freedom of `variance` (n − 1; Welch and Satterthwaite's with several topics)
    acceleration: BCa's a, a sixth of the skewness of the questions' influence on the mean
    """

    questions: int
    variance: FloatArray
    drawn: FloatArray
    freedom: FloatArray
    acceleration: FloatArray


def spread_of(topics: Sequence[FloatArray], skewed: bool = True) -> Spread:
    """topics: each topic's question means, (..., questions). A topic with a single question has infinite variance.

    skewed: estimate the acceleration; for paired differences it is better taken to be 0, as their true skewness is
    small against the noise of its estimate (`docs/statistics.md` has the coverage of both).
    """
    share = 1 / len(topics)
    second, drawn, third, fourth = np.zeros((4, *topics[0].shape[:-1]))
    for means in topics:
        size = means.shape[-1]
        influence = (means - means.mean(axis=-1, keepdims=True)) * (share / size)
        squares = np.einsum("...q,...q->...", influence, influence)
        own = squares * size / (size - 1) if size > 1 else np.full(squares.shape, np.inf)
        second, drawn, fourth = second + own, drawn + squares, fourth + own**2 / max(size - 1, 1)
        third = third + np.einsum("...q,...q,...q->...", influence, influence, influence)
    moves = drawn > _NO_VARIANCE
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.where(moves & np.isfinite(second), np.square(second) / fourth, 1.0)
        acceleration = np.where(moves & skewed, third / (6 * np.power(drawn, 1.5)), 0.0)
    return Spread(sum(means.shape[-1] for means in topics), second, drawn, freedom, acceleration)


def interval_of_mean(
    values: FloatArray,
    replicates: FloatArray,
    spread: Spread,
    bootstrap: Bootstrap,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[FloatArray, FloatArray]:
    """Interval of means of question means: its low and its high ends, of the shape of `values`.

    values: (...) · replicates: (..., replicates) · bounds: what the mean can't leave
    Equal questions have an interval of no width; where a topic has one question nothing is known but `bounds`. If all
    n questions lie at a bound, as those of a stance that nobody takes, up to 1 − ((1 − level) / 2)^(1/n) of all that
    there are may lie elsewhere (Clopper and Pearson 1934), so the interval reaches this far.
    """
    low, high = np.array(values, dtype=np.float64), np.array(values, dtype=np.float64)
    known = np.isfinite(spread.variance)
    moves = known & (spread.drawn > _NO_VARIANCE)
    low[moves], high[moves] = percentiles(
        [replicates[tuple(cell)] for cell in np.argwhere(moves).tolist()],
        values[moves],
        np.sqrt(spread.drawn[moves]),
        *(share[moves] for share in _shares(spread, bootstrap.level)),
    )
    # A percentile may miss the value that it belongs to, which lies within by definition.
    low, high = np.minimum(low, values), np.maximum(high, values)
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
    """The numbers below which the shares `low` and `high` of the replicates lie: numpy.quantile's, but faster.

    replicates: n arrays of one length · all others (n,); centre and scale are the replicates', nearly
    Only replicates that lie further out than most are put in order: those beyond `_NEARER` times the distance that
    the percentile would have in a normal distribution. Where these are too few, all are.
    """
    if not replicates:
        return np.empty(0), np.empty(0)
    size = len(replicates[0])
    under, over = (_NEARER * np.clip(z, 0, 1e6) * scale for z in (-ndtri(low), ndtri(high)))
    places = (one.tolist() for one in (centre - under, centre + over, low * (size - 1), (1 - high) * (size - 1)))
    # numpy searches a mask for its true ones without branches if every tenth is one, and then in half the time.
    mask = np.ones(size + size // 8, dtype=np.bool_)
    ends = [_two_ends(mask, *cell) for cell in zip(replicates, *places, strict=True)]
    return np.array([end[0] for end in ends]), np.array([end[1] for end in ends])


def _two_ends(
    mask: NDArray[np.bool_], replicates: FloatArray, under: float, over: float, first: float, last: float
) -> tuple[float, float]:
    """The numbers at place `first` from below and `last` from above, likely to lie below `under` and above `over`."""
    size = len(replicates)
    np.logical_or(replicates < under, replicates > over, out=mask[:size])
    found = mask.nonzero()[0]
    outer = replicates[found[: len(found) + size - len(mask)]]
    outer.sort()
    if len(outer) < first + last + 4 or outer[int(first) + 1] >= under or outer[-int(last) - 2] <= over:
        outer = np.sort(replicates)
    return _at(outer, first), _at(outer, len(outer) - 1 - last)


def _at(ordered: FloatArray, place: float) -> float:
    """What lies at `place`, between two numbers by its fraction."""
    below = min(max(int(place), 0), len(ordered) - 2)
    low, high = ordered[below : below + 2].tolist()
    return float(low + (min(place, len(ordered) - 1) - below) * (high - low))


def _shares(spread: Spread, level: float) -> tuple[FloatArray, FloatArray]:
    """The two shares of replicates that lie below the ends of the interval."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = spread.variance / spread.drawn
    wider = np.where((spread.drawn > _NO_VARIANCE) & np.isfinite(ratio), np.sqrt(ratio), 1.0)
    reach = stdtrit(spread.freedom, (1 + level) / 2) * wider
    a = spread.acceleration
    return _accelerated(a, a - reach), _accelerated(a, a + reach)


def _accelerated(a: FloatArray, z: FloatArray) -> FloatArray:
    # The bias correction of a mean equals its acceleration to first order. At 1 − a z = 0 the share is 0 or 1.
    left = 1 - a * z
    with np.errstate(divide="ignore", invalid="ignore"):
        share = ndtr(a + z / np.where(left > 0, left, np.nan))
    return np.asarray(np.where(left > 0, share, (z > 0).astype(np.float64)))
