"""Simultaneous bands: intervals that hold a whole trajectory, not only each of its checkpoints."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, stdtrit

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.intervals import NO_VARIANCE, Spread
from valuedrift.statistics.panel import TopicValues

_REPLICATES = 2000


def simultaneous_bands(
    part: TopicValues, intervals: tuple[FloatArray, FloatArray], spread: Spread, bootstrap: Bootstrap
) -> tuple[FloatArray, FloatArray]:
    """Return intervals that hold the values of all checkpoints and stances of a trajectory together.

    All are widened by one factor: the `level` quantile, over the joint replicates, of the largest |replicate − value|
    in standard errors (sup-t, Montiel Olea and Plagborg-Møller 2019), by the quantile for a single value. Both are
    quantiles of the t distribution with the questions' degrees of freedom. The interval's wider side counts for both
    sides: with few questions, the skewness from which the sides differ is itself uncertain.

    Args:
        part: Values of the trajectory on one topic.
        intervals: Low and high ends of the intervals at `level`, (checkpoints, stances) each.
        spread: The scatter of the questions.
        bootstrap: Settings; `level` is the level of the band.
    """
    moves = np.isfinite(spread.variance) & (spread.drawn > NO_VARIANCE)
    low, high = intervals
    if not moves.any():
        return low, high
    off = part.replicates[..., :_REPLICATES][moves] - part.values[moves][:, None]
    furthest = np.abs(off / np.sqrt(spread.drawn[moves])[:, None]).max(axis=0)
    share = ndtr(np.quantile(furthest, bootstrap.level))
    factor = stdtrit(spread.freedom, share) / stdtrit(spread.freedom, (1 + bootstrap.level) / 2)
    half = np.maximum(factor, 1.0) * np.maximum(high - part.values, part.values - low)
    return np.maximum(part.values - half, 0.0), np.minimum(part.values + half, 1.0)
