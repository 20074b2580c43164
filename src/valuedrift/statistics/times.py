"""When a trajectory moves: the paper's drift time, and when half and nine tenths of the change are done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.intervals import Spread
from valuedrift.statistics.rounding import EQUAL, sign_of

SHARES = {"t50": 0.5, "t90": 0.9}
"""Crossing time → the share of the net change that is done then."""
TIMED = 2000
"""The most replicates from which the interval of a crossing time is made."""

# Only significant drifts are timed. Those are larger in the sample than in truth, and their crossings later, so that
# an interval misses the true crossing on its low side more often than on its high side.
_LOW_SIDE = 1 / 5


@dataclass(frozen=True)
class Crossing:
    """When a trajectory crosses a share of its net change, as a share of the run's steps.

    Attributes:
        value: The measured time.
        replicates: The times of resampled trajectories, (replicates,).
        freedom: Degrees of freedom of the questions' scatter.
        wider: Standard error of the net change by that of its replicates, which is smaller.
    """

    value: float
    replicates: FloatArray
    freedom: float
    wider: float

    def bounds(self, tail: float) -> tuple[float, float]:
        """Return the lower and the upper bound.

        They are percentiles, expanded for few questions by the t distribution. The upper one is wrong with a
        probability of at most `tail`; the lower one is taken at a fifth of it (see `_LOW_SIDE`).
        """
        if not len(self.replicates):
            return 0.0, 1.0
        under, over = (float(ndtr(-stdtrit(self.freedom, 1 - one) * self.wider)) for one in (tail * _LOW_SIDE, tail))
        low, high = (float(np.quantile(self.replicates, share)) for share in (under, 1 - over))
        return min(low, self.value), max(high, self.value)


def crossing(
    values: FloatArray, replicates: FloatArray, share: float, steps: Sequence[int], spread: tuple[float, float]
) -> Crossing:
    """Return when a trajectory crosses `share` of its net change; it must have a net change.

    Args:
        values: (checkpoints,), with the start point first.
        replicates: (checkpoints, replicates).
        share: Share of the net change.
        steps: The checkpoints' steps, from the start's to the run's last step.
        spread: `freedom` and `wider` of `Crossing`.
    """
    direction = np.sign(values[-1] - values[0])
    both = np.concatenate([values[:, None], replicates[:, :TIMED]], axis=1) * direction
    at = (np.asarray(steps, dtype=np.float64) - steps[0]) / (steps[-1] - steps[0])
    times = np.interp(first_crossing(both, share), np.arange(len(at)), at)
    return Crossing(float(times[0]), times[1:], *spread)


def first_crossing(values: FloatArray, share: float) -> FloatArray:
    """Return where the isotonic fit of each trajectory crosses start + share · (end − start), between its checkpoints.

    The isotonic fit reaches a level at the checkpoint at which the cumulative sum of (value − level) is lowest, because
    the fit is the slope of the lower convex hull of the cumulative sum (Barlow et al. 1972). So the whole fit is not
    needed. Between this checkpoint and the one before it, the fit is interpolated linearly.

    Args:
        values: n trajectories that rise, (checkpoints, n).

    Returns:
        Places on the checkpoint axis, (n,).
    """
    count, size = values.shape
    away = values - (values[0] + share * (values[-1] - values[0]))
    total = np.zeros((count + 1, size))
    np.cumsum(away, axis=0, out=total[1:])
    first = (total[1:count] <= total[1:count].min(axis=0) + EQUAL).argmax(axis=0) + 1
    lowest = np.take_along_axis(total, first[None], 0)[0]
    above, below = np.full((2, size), np.inf)
    for c in range(count):
        later, earlier = c >= first, c < first
        np.minimum(above, (total[c + 1] - lowest) / np.maximum(c + 1 - first, 1), out=above, where=later)
        np.minimum(below, (total[c] - lowest) / np.maximum(first - c, 1), out=below, where=earlier)
    # The fit is −below at the checkpoint before, and above at this one, both relative to the level.
    width = below + above
    return np.asarray(first - 1 + np.clip(below / np.where(width > 0, width, 1.0), 0, 1))


def drift_times(values: FloatArray, spread: Spread, bootstrap: Bootstrap) -> NDArray[np.intp]:
    """Return the paper's drift times, (stances,), as indices of checkpoints; 0 if the start is within the margin.

    The margin of the extremum is half the width of the t interval of its value, so it doesn't depend on replicates.

    Args:
        values: Values of one trajectory, (checkpoints, stances).
        spread: The scatter of the questions that they are means of.
        bootstrap: `level` is the level of the margin.
    """
    margin = stdtrit(spread.freedom, (1 + bootstrap.level) / 2) * np.sqrt(spread.variance)
    return first_within(values, np.where(np.isfinite(margin), margin, 1.0))


def first_within(values: FloatArray, margin: FloatArray) -> NDArray[np.intp]:
    """Return the first checkpoint within the margin of the trajectory's extremum, (stances,); see `drift_times`.

    The extremum is the highest value if the net change is positive, and the lowest value if it is negative; if several
    checkpoints have this value, the earliest of them. A trajectory with equal values at start and end has not drifted,
    whatever its values in between. With a single checkpoint after the start, it is that or there is no drift. There
    always is such a checkpoint, as the extremum is within its own margin.

    Args:
        values: The start point first, (checkpoints, stances).
        margin: Margin of each checkpoint, (checkpoints, stances).
    """
    height = values * sign_of(values[-1] - values[0])
    peak = height.max(axis=0)
    at = (height >= peak - EQUAL).argmax(axis=0)
    return np.asarray((height >= peak - margin[at, np.arange(len(at))] - EQUAL).argmax(axis=0))
