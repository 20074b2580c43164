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

# Replicates are noise upon noise, with a spread sqrt(2) times as large. So where many true values are equal, the
# highest of the noisy ones is too high by 1 / (sqrt(2) - 1) times what the highest of the replicates adds to it.
_LIFTED = 1 + math.sqrt(2)


@dataclass(frozen=True)
class DriftTimes:
    """One trajectory on one topic: arrays over stances of places on its checkpoint axis (0 is the start point).

    reached: the first checkpoint within the extremum's interval; 0: the start itself is (no drift)
    earliest, latest: its interval
    """

    reached: NDArray[np.intp]
    earliest: NDArray[np.intp]
    latest: NDArray[np.intp]


def measure_times(part: TopicValues, low: FloatArray, high: FloatArray, bootstrap: Bootstrap) -> DriftTimes:
    """Drift times of `part` with their intervals; low, high: (checkpoints, stances), the intervals of its values.

    Resampling the trajectory and timing it again is no interval: a resample is noisier than the sample, so its
    extremum is more extreme and its time later. Instead each checkpoint c is asked whether it can be told from
    being within the extremum's margin, by d = |extremum − v_c| − margin, paired over questions:
    `earliest` is the first checkpoint whose d and whose successor's are not clearly above 0, at 1 − level (for it to
    come too late, all before must be; and one that noise alone brings near doesn't count); `latest` the first whose d
    is clearly below 0 (or where the extremum lies), at (1 − level) / 2. The highest of many noisy values is too high,
    so d is lowered by how far the joint bootstrap lifts the extremum; for `earliest` by `_LIFTED` times that.
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
    near = away - _LIFTED * lift - stdtrit(spread.freedom, bootstrap.level) * error <= EQUAL
    still_near = np.vstack([near[1:], near[-1:]])
    place = np.arange(len(part.values))[:, None]
    return DriftTimes(
        reached=reached,
        earliest=_first((near & still_near) | (place == reached)),
        # The extremum itself has a paired difference of 0 to itself, without any doubt.
        latest=np.maximum(_first((below_0 <= EQUAL) | (place == at)), reached),
    )


def drift_times(values: FloatArray, below: FloatArray, above: FloatArray, steps: Sequence[int]) -> FloatArray:
    """The share of a trajectory's steps until it first lies within the interval of its extremum.

    values: (checkpoints, stances, n), n trajectories with the start point first
    below, above: (checkpoints, stances), how far each checkpoint's interval reaches under and over its value
    steps: (checkpoints,), from 0 to the run's last step
    Returns (stances, n), 0 where the start itself lies within the interval (no drift).

    The extremum is the highest value if the net change is positive, the lowest if it is negative, and the
    earliest checkpoint of those that share it. A trajectory that ends where it began has not drifted,
    whatever it did in between. With a single checkpoint the share is 0 or 1. A time always exists: the
    extremum lies within its own interval.
    """
    return np.asarray(steps, dtype=np.float64)[first_within(values, below, above)] / steps[-1]


def first_within(values: FloatArray, below: FloatArray, above: FloatArray) -> NDArray[np.intp]:
    """As `drift_times`, as places on the checkpoint axis."""
    direction, at = _extremum(values)
    height = values * direction
    stance = np.arange(values.shape[1])[:, None]
    margin = np.where(direction > 0, below[at, stance], above[at, stance])
    peak = height.max(axis=0)
    return _first(height >= peak - margin - EQUAL)


def _extremum(values: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Direction of the net change (1, −1, or 0 where there is none) and the extremum's place, (stances, n) each."""
    change = values[-1] - values[0]
    direction = sign_of(change)
    height = values * direction
    return direction, _first(height >= height.max(axis=0) - EQUAL)


def _first(condition: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.asarray(condition.argmax(axis=0))
