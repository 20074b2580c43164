import numpy as np
import pytest

from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.distances import jensen_shannon, measure_distances, total_variation
from valuedrift.statistics.significance import flipped_means, flips

BOOTSTRAP = Bootstrap(seed=1, replicates=2000)


def between(start, end):
    """start, end: (stances, questions)"""
    size = start.shape[1]
    weights = BOOTSTRAP.weights("work", size) / size
    flipped = flipped_means([end - start], [flips("work", size, BOOTSTRAP)])
    return measure_distances(([start], [end]), (start @ weights, end @ weights), flipped, 5.0, BOOTSTRAP)


def questions(mean, spread=30, size=40, seed=0):
    return np.random.default_rng(seed).dirichlet(np.array(mean) * spread, size).T


def test_both_run_from_0_for_the_same_to_1_for_the_opposite():
    one, other = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.4, 0.6])
    for distance in (total_variation, jensen_shannon):
        assert distance(one, one) == pytest.approx(0)
        assert distance(one, other) == pytest.approx(1)
        assert distance(other, one) == pytest.approx(1)


def test_a_clear_move_lies_within_its_interval_and_far_above_what_noise_shows():
    for found in between(questions((0.5, 0.3, 0.2)), questions((0.2, 0.7, 0.1), seed=1)):
        assert found.null < 0.2 < found.low < found.value < found.high < 0.5
        assert found.value == pytest.approx(0.37, abs=0.05)
        assert found.p_value == pytest.approx(1 / 2001)


def test_without_a_move_the_distance_is_positive_but_its_interval_reaches_0():
    for found in between(questions((0.5, 0.3, 0.2)), questions((0.5, 0.3, 0.2), seed=1)):
        assert 0 < found.value < found.null
        assert found.low == 0
        assert found.p_value > 0.05


def test_questions_that_stay_as_they_are_have_no_distance():
    for found in between(questions((0.5, 0.3, 0.2)), questions((0.5, 0.3, 0.2))):
        assert (found.value, found.low, found.p_value) == (0, 0, 1)


def test_a_stance_that_nobody_takes_at_one_end_does_no_harm():
    start = np.vstack([questions((0.5, 0.3, 0.2))[:2] / questions((0.5, 0.3, 0.2))[:2].sum(axis=0), np.zeros(40)])
    found = between(start, questions((0.3, 0.3, 0.4)))[1]
    assert 0.3 < found.low < found.value < found.high < 0.8


def test_a_share_below_0_in_its_last_bits_does_no_harm():
    one, other = np.array([[0.5] * 9, [0.5] * 9, [0.0] * 9]), np.array([[0.4] * 9, [0.6] * 9, [0.0] * 9])
    drawn = [
        np.repeat(end[:, :1], 99, axis=1) + np.array([[0.0], [0.0], [last]])
        for end, last in ((one, 1e-17), (other, -3e-17))
    ]
    for found in measure_distances(([one], [other]), tuple(drawn), np.zeros((3, 99)), 1e9, BOOTSTRAP):
        assert found.low == pytest.approx(found.value) == found.high
