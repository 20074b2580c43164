"""What remains of a difference between algorithms at equal learning rates."""

from __future__ import annotations

import numpy as np
import pytest

from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.drift import RunDrift
from valuedrift.statistics.equal_rates import Rated, contrasts
from valuedrift.statistics.trajectory import Trajectory

BOOTSTRAP = Bootstrap(seed=3, replicates=400)
SLOW, FAST = 5e-5, 1e-3
NOISE = np.random.default_rng(1).normal(0, 0.05, size=(2, BOOTSTRAP.replicates))


def rated(
    algorithm: str, rate: float, moved: float, *, noise: float = 1.0, own: bool = False, data: str = "pairs"
) -> Rated:
    """A run that moved support by `moved` on each of two topics, with `noise` times the same resampling noise."""
    trajectory = Trajectory(f"sft-a/{algorithm}-{data}-{rate}", algorithm, data, "a", "sft-a", 1, (1,))
    start, end = np.full((2, 3), 0.2), np.full((2, 3), 0.2)
    end[:, 0] += moved
    start_replicates, end_replicates = (np.repeat(x[..., None], BOOTSTRAP.replicates, axis=-1) for x in (start, end))
    end_replicates[:, 0] += noise * NOISE
    drift = RunDrift(trajectory, ("x", "y"), start, end, start_replicates, end_replicates, (), 1.0, None)
    return Rated(drift, rate, own, "support")


def test_own_rates_come_first_then_equal_ones_ascending() -> None:
    runs = [rated("dpo", FAST, 0.5, own=True), rated("dpo", SLOW, 0.1)]
    runs += [rated("ppo", FAST, 0.2), rated("ppo", SLOW, 0.0, own=True)]
    found = contrasts(runs, BOOTSTRAP)
    assert [one.rates for one in found] == [(FAST, SLOW), (SLOW, SLOW), (FAST, FAST)]
    assert [one.difference.value for one in found] == pytest.approx([0.5, 0.1, 0.3])
    own, slow, fast = (one.share for one in found)
    assert own is None
    assert slow is not None
    assert fast is not None
    assert (slow.value, fast.value) == pytest.approx((0.2, 0.6))


def test_shares_are_taken_within_each_resample() -> None:
    """Noise that both differences have alike says nothing against their ratio."""
    runs = [rated("dpo", FAST, 0.4, noise=4, own=True), rated("dpo", SLOW, 0.2, noise=2)]
    runs += [rated("simpo", SLOW, 0.0, noise=0, own=True)]
    own, slow = contrasts(runs, BOOTSTRAP)
    assert own.difference.high - own.difference.low > 0.2
    assert slow.share is not None
    assert (slow.share.low, slow.share.high) == pytest.approx((0.5, 0.5))


def test_there_is_no_share_of_a_difference_that_may_be_none() -> None:
    runs = [rated("dpo", FAST, 0.1, noise=9, own=True), rated("dpo", SLOW, 0.1), rated("ppo", SLOW, 0.0, own=True)]
    assert [one.share for one in contrasts(runs, BOOTSTRAP)] == [None, None]


def test_means_are_over_the_data_sets_that_all_have() -> None:
    runs = [
        rated(algorithm, FAST, moved, own=True, data=data)
        for algorithm, data, moved in (("dpo", "x", 0.5), ("dpo", "y", 0.3), ("ppo", "x", 0.1), ("ppo", "y", 0.1))
    ]
    runs.append(rated("ppo", SLOW, 0.0, data="x"))
    found = contrasts(runs, BOOTSTRAP)
    assert [one.rates for one in found] == [(FAST, FAST), (FAST, FAST)]
    assert found[0].difference.value == pytest.approx(0.3)


def test_without_the_own_rate_nothing_is_compared() -> None:
    assert contrasts([rated("dpo", FAST, 0.5, own=True), rated("ppo", FAST, 0.1)], BOOTSTRAP) == []
