"""Simultaneous bands: intervals that hold a whole trajectory, not only each of its checkpoints."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, stdtrit

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.intervals import Spread
from valuedrift.statistics.panel import TopicValues

_REPLICATES = 2000


def simultaneous_bands(
    part: TopicValues, intervals: tuple[FloatArray, FloatArray], spread: Spread, bootstrap: Bootstrap
) -> tuple[FloatArray, FloatArray]:
    """Widen the intervals of a trajectory so that they hold all its checkpoints and stances together.

    All are widened by one factor: the `level` quantile, over the joint replicates, of the largest |replicate − value|
    in standard errors (sup-t, Montiel Olea and Plagborg-Møller 2019), by the quantile for a single value. Both are
    quantiles of the t distribution with the questions' degrees of freedom.

    Returns:
        Low and high ends, (checkpoints, stances) each.
    """
    low, high = intervals
    moves = np.isfinite(spread.variance) & (spread.drawn > 0)
    if not moves.any():
        return low, high
    off = part.replicates[..., :_REPLICATES][moves] - part.values[moves][:, None]
    furthest = float(np.quantile(np.abs(off / np.sqrt(spread.drawn[moves])[:, None]).max(axis=0), bootstrap.level))
    freedom = float(np.median(spread.freedom[moves]))
    reach = float(stdtrit(freedom, ndtr(furthest))) / float(stdtrit(freedom, (1 + bootstrap.level) / 2))
    factor = max(reach, 1.0)
    return (
        np.maximum(part.values - factor * (part.values - low), 0.0),
        np.minimum(part.values + factor * (high - part.values), 1.0),
    )
