import itertools

import numpy as np
import pytest

from valuedrift.statistics.bootstrap import Bootstrap, mean
from valuedrift.statistics.panel import shares_of_draws


def test_weights_depend_on_seed_and_topic_alone_and_draw_as_many_questions_as_there_are():
    weights = Bootstrap(seed=3, replicates=200).weights("abortion", 7)
    assert weights.shape == (7, 200)
    assert (weights.sum(axis=0) == 7).all()
    assert (weights == Bootstrap(seed=3, replicates=200).weights("abortion", 7)).all()
    assert (weights != Bootstrap(seed=4, replicates=200).weights("abortion", 7)).any()
    assert (weights != Bootstrap(seed=3, replicates=200).weights("climate", 7)).any()


def topics_of(sizes):
    places = np.cumsum([0, *sizes])
    return {f"topic {t}": slice(a, b) for t, (a, b) in enumerate(itertools.pairwise(places.tolist()))}


def test_topics_of_one_size_share_their_draws_but_in_no_replicate_the_same_ones():
    shares = shares_of_draws(topics_of([7, 7, 5]), Bootstrap(replicates=2000))
    one, other, smaller = shares.values()
    assert one.shape == other.shape == (7, 2000) and smaller.shape == (5, 2000)
    assert all(own.sum(axis=0) == pytest.approx(1) for own in shares.values())
    assert sorted(one.T.tolist()) == sorted(other.T.tolist())
    assert abs(np.corrcoef(one[0], other[0])[0, 1]) < 0.08


def test_no_topic_changes_the_draws_of_another():
    alone = shares_of_draws({"topic 1": slice(0, 7)}, Bootstrap(replicates=500))["topic 1"]
    assert (shares_of_draws(topics_of([7, 7, 5]), Bootstrap(replicates=500))["topic 1"] == alone).all()


def test_topics_begin_at_places_of_their_own_as_long_as_there_are_enough():
    shares = shares_of_draws(topics_of([6] * 40), Bootstrap(replicates=40))
    assert len({own.tobytes() for own in shares.values()}) == 40
    assert len(shares_of_draws(topics_of([6] * 5), Bootstrap(replicates=2))) == 5


def test_interval_is_the_percentiles_of_the_last_axis():
    low, high = Bootstrap(level=0.9).interval(np.array([np.arange(101.0), np.arange(101.0) * 2]))
    assert low == pytest.approx([5, 10])
    assert high == pytest.approx([95, 190])


def test_mean_takes_cells_together_within_each_replicate():
    # The two cells move against each other, so that their mean is the same in every replicate.
    found = mean(np.array([0.2, 0.4]), np.array([[0.1, 0.2, 0.3], [0.5, 0.4, 0.3]]), Bootstrap())
    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.3, 0.3))
