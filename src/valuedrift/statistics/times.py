"""Drift time: when a trajectory first comes within the interval of its extremum (paper, section 3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.intervals import spread_of
from valuedrift.statistics.panel import TopicValues
from valuedrift.statistics.rounding import EQUAL, sign_of

# Replicates add noise to noise, so their spread is sqrt(2) times that of the values. Where many true values are equal,
# the highest measured one is therefore too high by 1 / (sqrt(2) - 1) times what the highest replicate adds to it.
_LIFT_WHERE_EQUAL = 1 + math.sqrt(2)


@dataclass(frozen=True)
class DriftTimes:
    """Drift times of one trajectory on one topic, as indices on its checkpoint axis (0 is the start point), (stances,).

    Attributes:
        reached: The first checkpoint within the extremum's interval; 0 if the start is (no drift).
        earliest: Low end of the interval of `reached`.
        latest: High end of the interval of `reached`.
    """

    reached: NDArray[np.intp]
    earliest: NDArray[np.intp]
    latest: NDArray[np.intp]


def measure_times(part: TopicValues, low: FloatArray, high: FloatArray, bootstrap: Bootstrap) -> DriftTimes:
    """Measure drift times and their intervals.

    Resampling the trajectory and timing each resample gives no valid interval: a resample is noisier than the sample,
    so its extremum is more extreme and its time later. Instead each checkpoint c is tested for being within the
    extremum's margin, by d = |extremum − v_c| − margin, paired over questions. `earliest` is the first checkpoint at
    which neither d nor the next checkpoint's d is clearly above 0, at 1 − level (it comes too late only if all
    checkpoints before are clearly above, and a single one that noise brings near doesn't count). `latest` is the first
    at which d is clearly below 0, at (1 − level) / 2, or the extremum itself. The highest of many noisy values is too
    high, so d is lowered by as much as the joint bootstrap lifts the extremum; for `earliest`, by
    `_LIFT_WHERE_EQUAL` times as much.

    Args:
        part: Values of the trajectory on one topic.
        low: Low ends of their intervals, (checkpoints, stances).
        high: High ends, (checkpoints, stances).
        bootstrap: Settings; the level is that of the intervals.
    """
    below, above = np.maximum(part.values - low, 0), np.maximum(high - part.values, 0)
    reached = first_within(part.values[..., None], below, above)[:, 0]
    direction, at = _extremum(part.values[..., None])
    direction, at = direction[:, 0], at[:, 0]
    stance = np.arange(len(at))
    margin = np.where(direction > 0, below[at, stance], above[at, stance])
    away = direction * (part.values[at, stance] - part.values) - margin
    spread = spread_of([(topic[at, stance][None] - topic) * direction[:, None] for topic in part.means])
    lifted = (direction[:, None] * part.replicates).max(axis=0).mean(axis=-1)
    lift = np.maximum(lifted - direction * part.values[at, stance], 0)
    error = np.sqrt(spread.variance)
    below_0 = away - lift + stdtrit(spread.freedom, (1 + bootstrap.level) / 2) * error
    near = away - _LIFT_WHERE_EQUAL * lift - stdtrit(spread.freedom, bootstrap.level) * error <= EQUAL
    still_near = np.vstack([near[1:], near[-1:]])
    checkpoint = np.arange(len(part.values))[:, None]
    return DriftTimes(
        reached=reached,
        earliest=_first((near & still_near) | (checkpoint == reached)),
        # The extremum has a paired difference of exactly 0 to itself.
        latest=np.maximum(_first((below_0 <= EQUAL) | (checkpoint == at)), reached),
    )


def drift_times(values: FloatArray, below: FloatArray, above: FloatArray, steps: Sequence[int]) -> FloatArray:
    """The share of a trajectory's steps after which it first lies within the interval of its extremum.

    The extremum is the highest value if the net change is positive and the lowest if it is negative; if several
    checkpoints share it, the earliest of them. A trajectory that ends where it began has not drifted, whatever it did
    in between. With a single checkpoint the share is 0 or 1. A time always exists, as the extremum lies within its own
    interval.

    Args:
        values: n trajectories with the start point first, (checkpoints, stances, n).
        below: How far each checkpoint's interval reaches below its value, (checkpoints, stances).
        above: How far it reaches above, (checkpoints, stances).
        steps: From 0 to the run's last step, (checkpoints,).

    Returns:
        (stances, n); 0 where the start lies within the interval (no drift).
    """
    return np.asarray(steps, dtype=np.float64)[first_within(values, below, above)] / steps[-1]


def first_within(values: FloatArray, below: FloatArray, above: FloatArray) -> NDArray[np.intp]:
    """Like `drift_times`, but as indices on the checkpoint axis."""
    direction, at = _extremum(values)
    height = values * direction
    stance = np.arange(values.shape[1])[:, None]
    margin = np.where(direction > 0, below[at, stance], above[at, stance])
    peak = height.max(axis=0)
    return _first(height >= peak - margin - EQUAL)


def _extremum(values: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Direction of the net change (1, −1, or 0 for none) and the index of the extremum, (stances, n) each."""
    change = values[-1] - values[0]
    direction = sign_of(change)
    height = values * direction
    return direction, _first(height >= height.max(axis=0) - EQUAL)


def _first(condition: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.asarray(condition.argmax(axis=0))
