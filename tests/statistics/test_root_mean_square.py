"""The root mean square of many changes without its noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from valuedrift.statistics.bootstrap import FloatArray
from valuedrift.statistics.root_mean_square import RootDifference, RootMeanSquare, root_mean_square


def changes(moves: float, scatter: float, topics: int = 11, questions: int = 20, seed: int = 0) -> list[FloatArray]:
    """One stance per topic that moves by `moves`, up and down in turn."""
    random = np.random.default_rng(seed)
    means = moves * np.where(np.arange(topics) % 2, 1.0, -1.0)
    return [random.normal(mean, scatter, (1, questions)) for mean in means]


def test_noise_is_taken_off() -> None:
    found = np.array([root_mean_square(changes(0.0, 0.25, seed=seed)).value for seed in range(200)])
    # The mean |M| would be 0.045 in each of them.
    assert np.median(found) < 0.02
    squares = [root_mean_square(changes(0.05, 0.25, seed=seed)).value ** 2 for seed in range(200)]
    assert np.mean(squares) == pytest.approx(0.05**2, abs=4e-4)


def test_cells_that_agree_by_chance_are_no_evidence_of_precision() -> None:
    lucky = RootMeanSquare(value=0.0, square=1e-6, noise=0.003, cells=11, freedom=209, influence=())
    typical = RootMeanSquare(value=0.0, square=0.003, noise=0.003, cells=11, freedom=209, influence=())
    assert lucky.bounds(0.025) == pytest.approx((0, typical.bounds(0.025)[1]))
    assert lucky.bounds(0.025)[1] > 0.04


def test_a_movement_that_is_beyond_doubt_has_an_interval_too() -> None:
    found = root_mean_square(changes(0.3, 1e-4))
    low, high = found.bounds(0.025)
    assert found.value == pytest.approx(0.3, abs=1e-4)
    # The noise is only known from 11 × 19 degrees of freedom, and the F distribution counts this fully.
    assert 0.27 < low < found.value < high < 0.33
    exact = root_mean_square(changes(0.3, 0.0))
    assert exact.bounds(0.025) == (exact.value, exact.value)


def test_answers_that_hardly_change_leave_an_interval_of_some_width() -> None:
    still = [np.zeros((3, 20)) for _ in range(11)]
    assert root_mean_square(still).bounds(0.025) == (0, 0)
    low, high = root_mean_square(still, answers=5).bounds(0.025)
    assert (low, high) == (0, pytest.approx(0.011, abs=0.002))


def test_a_single_question_leaves_everything_open() -> None:
    assert root_mean_square([np.array([[0.3]]), np.array([[0.1]])]).bounds(0.025) == (0, math.inf)


def test_a_difference_of_equal_things_is_certain_and_of_independent_ones_less_so() -> None:
    one, other = root_mean_square(changes(0.2, 0.25)), root_mean_square(changes(0.2, 0.25, seed=1))
    same, apart = RootDifference(one, one), RootDifference(one, other)
    low, high = apart.bounds(0.025)
    assert same.value == 0
    assert low < apart.value < high
    # Of one and the same, only the two sides' unequal widths are left.
    assert same.bounds(0.025)[1] - same.bounds(0.025)[0] < 0.2 * (high - low)
