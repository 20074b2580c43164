"""Drift time: when a trajectory is within the interval of its extremum for the first time (paper, section 3)."""

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

# Replicates add noise to measured values, which are noisy already, so their spread is sqrt(2) times that of the values.
# Therefore, if many true values are equal, the highest measured value is too high by 1 / (sqrt(2) - 1) times the
# difference between the highest replicate and the highest measured value.
_LIFT_WHERE_EQUAL = 1 + math.sqrt(2)


@dataclass(frozen=True)
class DriftTimes:
    """Drift times of one trajectory on one topic, as indices on its checkpoint axis (0 is the start point), (stances,).

    Attributes:
        reached: The first checkpoint within the extremum's interval; 0 if the start is within it (no drift).
        earliest: Low end of the interval of `reached`.
        latest: High end of the interval of `reached`.
    """

    reached: NDArray[np.intp]
    earliest: NDArray[np.intp]
    latest: NDArray[np.intp]


def measure_times(part: TopicValues, low: FloatArray, high: FloatArray, bootstrap: Bootstrap) -> DriftTimes:
    """Measure drift times and their intervals.

    The drift times of resampled trajectories would give no valid interval: a resample is noisier than the sample, so
    its extremum is more extreme and its time is later. Instead, each checkpoint c is tested for being within the
    extremum's margin, with d = |extremum − v_c| − margin, paired over questions.

    - `earliest` is the first checkpoint at which neither d nor the next checkpoint's d is significantly above 0, at
      1 − level. It is too late only if d is significantly above 0 at all checkpoints before it; a single checkpoint
      that is close to the extremum by chance doesn't count.
    - `latest` is the first checkpoint at which d is significantly below 0, at (1 − level) / 2, or the extremum itself.

    The highest of many noisy values is too high. Therefore d is lowered by the amount that the joint bootstrap adds to
    the extremum; for `earliest`, by `_LIFT_WHERE_EQUAL` times this amount.

    Args:
        part: Values of the trajectory on one topic.
        low: Low ends of their intervals, (checkpoints, stances).
        high: High ends, (checkpoints, stances).
        bootstrap: Settings; `level` is the level of the intervals.
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
    """Return the share of a trajectory's steps after which it is first within the interval of its extremum.

    The extremum is the highest value if the net change is positive, and the lowest value if it is negative; if several
    checkpoints have this value, the earliest of them. A trajectory with equal values at start and end has not drifted,
    whatever its values in between. With a single checkpoint after the start, the share is 0 or 1. A time always exists,
    as the extremum is within its own interval.

    Args:
        values: n trajectories with the start point first, (checkpoints, stances, n).
        below: How far each checkpoint's interval extends below its value, (checkpoints, stances).
        above: How far it extends above its value, (checkpoints, stances).
        steps: The checkpoints' steps, from 0 to the run's last step, (checkpoints,).

    Returns:
        (stances, n); 0 where the start is within the interval (no drift).
    """
    return np.asarray(steps, dtype=np.float64)[first_within(values, below, above)] / steps[-1]


def first_within(values: FloatArray, below: FloatArray, above: FloatArray) -> NDArray[np.intp]:
    """Return the drift times as indices on the checkpoint axis; see `drift_times`."""
    direction, at = _extremum(values)
    height = values * direction
    stance = np.arange(values.shape[1])[:, None]
    margin = np.where(direction > 0, below[at, stance], above[at, stance])
    peak = height.max(axis=0)
    return _first(height >= peak - margin - EQUAL)


def _extremum(values: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return the direction of the net change (1, −1, or 0 for none) and the extremum's index, (stances, n) each."""
    change = values[-1] - values[0]
    direction = sign_of(change)
    height = values * direction
    return direction, _first(height >= height.max(axis=0) - EQUAL)


def _first(condition: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.asarray(condition.argmax(axis=0))
