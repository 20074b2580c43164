import numpy as np
import pytest

from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.intervals import (
    clustered_interval,
    interval_of_mean,
    percentiles,
    spread_of,
    wilson_interval,
)

BOOTSTRAP = Bootstrap(seed=2, replicates=4000)


def of(*topics, skewed=True):
    """Interval of the mean over topics of single means, with replicates of their own."""
    drawn = [own @ BOOTSTRAP.weights(str(t), len(own)) / len(own) for t, own in enumerate(topics)]
    value = np.mean([own.mean() for own in topics])
    ends = interval_of_mean(np.array(value), np.mean(drawn, axis=0), spread_of(topics, skewed), BOOTSTRAP)
    return tuple(float(end) for end in ends)


def test_percentiles_are_numpy_s_whatever_the_numbers_look_like():
    rng = np.random.default_rng(0)
    rows = [rng.normal(3, 2, 500), rng.exponential(1, 500), np.repeat([0.1, 0.9], 250), np.ones(500), rng.random(500)]
    for low, high in ((0.025, 0.975), (0.0, 1.0), (0.3, 0.4), (0.6, 0.7), (0.001, 0.5)):
        shares = np.full(5, low), np.full(5, high)
        centre, scale = np.array([r.mean() for r in rows]), np.array([r.std() for r in rows])
        found = percentiles(rows, centre, scale, *shares)
        for row, one, other in zip(rows, *found, strict=True):
            assert (one, other) == pytest.approx(tuple(np.quantile(row, [low, high])), abs=1e-12)


def test_it_reaches_further_to_the_side_of_the_long_tail_only_if_asked():
    own = np.r_[np.zeros(24), np.linspace(0.2, 1, 6)]
    (low, high), (even_low, even_high) = of(own), of(own, skewed=False)
    assert low > even_low and high > even_high


def test_equal_questions_have_no_width_and_a_single_one_has_no_bounds_of_its_own():
    assert of(np.full(7, 0.3)) == pytest.approx((0.3, 0.3))
    assert of(np.array([0.3])) == (-np.inf, np.inf)
    assert of(np.array([0.3]), np.linspace(0, 1, 30)) == (-np.inf, np.inf)


def test_a_stance_that_none_of_n_questions_shows_may_still_be_that_of_some():
    def between_0_and_1(own):
        drawn = own @ BOOTSTRAP.weights("0", len(own)) / len(own)
        return interval_of_mean(np.array(own.mean()), drawn, spread_of([own]), BOOTSTRAP, (0.0, 1.0))

    # Of binomial samples of 10 with 30.85 % hits, 2.5 % have none.
    assert between_0_and_1(np.zeros(10)) == pytest.approx((0, 0.3085), abs=1e-4)
    assert between_0_and_1(np.ones(50)) == pytest.approx((1 - 0.0711, 1), abs=1e-4)
    assert between_0_and_1(np.full(10, 0.3)) == pytest.approx((0.3, 0.3))


def test_wilson_interval_is_that_of_the_literature():
    # Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20 and 1 of 29.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)
    assert wilson_interval(20, 20) == pytest.approx((0.8389, 1.0), abs=5e-5)


def test_rows_of_one_cluster_count_as_far_as_they_differ():
    right, own = np.array([True] * 8 + [False] * 2), np.arange(10).astype(str)
    alone = wilson_interval(8, 10)
    assert clustered_interval(right, own) == pytest.approx(alone)
    assert clustered_interval(np.repeat(right, 3), np.repeat(own, 3)) == pytest.approx(alone)
    spread = clustered_interval(np.tile(right, 3), np.repeat(["a", "b", "c"], 10))
    assert spread == pytest.approx(wilson_interval(2.4, 3)), "equal clusters: nothing is known but their number"
    assert clustered_interval(np.ones(30, bool), np.repeat(own, 3)) == pytest.approx(wilson_interval(10, 10))
