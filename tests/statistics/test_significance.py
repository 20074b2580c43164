from dataclasses import replace
from itertools import product

import numpy as np
import polars as pl
import pytest
from simulation import Regime, panels

from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import shares_of_draws
from valuedrift.statistics.significance import flipped_means, flips, p_values, q_values, sign_flip_p

BOOTSTRAP = Bootstrap(seed=5, replicates=2000)


def p_of(changes):
    return sign_flip_p([np.atleast_2d(changes)])


def exact_p(changes):
    """Over all 2^n ways of swapping start and end."""
    sums = np.array(list(product((1, -1), repeat=len(changes)))) @ changes
    return (np.abs(sums) >= abs(changes.sum()) - 1e-9).mean()


@pytest.mark.parametrize("questions", [3, 9, 14])
def test_p_is_the_exact_one_or_a_little_more(questions):
    random = np.random.default_rng(questions)
    for changes in (
        random.normal(0.1, 0.3, questions),  # judged with probabilities
        random.integers(-3, 6, questions) / 5,  # five answers with one stance each: many equal sums
        np.where(random.random(questions) < 0.4, 0.2, 0.0),  # checkpoints that share most answers
    ):
        exact = exact_p(changes)
        assert exact - 1e-9 <= p_of(changes).item() <= 1.12 * exact


def test_p_of_a_mean_over_topics_is_that_of_drawn_swaps():
    random = np.random.default_rng(3)
    topics = [random.normal(0.04, 0.3, (2, size)) for size in (12, 20, 31)]
    drawn = [flips(f"{t}", topic.shape[1], BOOTSTRAP) for t, topic in enumerate(topics)]
    found = np.mean([topic.mean(axis=1) for topic in topics], axis=0)
    assert sign_flip_p(topics) == pytest.approx(p_values(found, flipped_means(topics, drawn)), abs=0.03)


def test_p_does_not_depend_on_a_seed_so_that_the_same_drifts_are_real_with_any():
    regime = Regime("", questions=20, checkpoints=4, moved=0.5)
    (panel,) = panels(regime, 30, Bootstrap(seed=0, replicates=100))
    timed = ("real", "outcome", "time", "step_reached", "t50", "t90", "p_value")
    tables = []
    for seed in range(12):
        bootstrap = Bootstrap(seed=seed, replicates=100)
        drawn = replace(panel, weights=shares_of_draws(panel.topics, bootstrap))
        tables.append(measure(drawn, [regime.trajectory], bootstrap).drift)
    assert 0 < tables[0]["real"].sum() < tables[0].height
    assert tables[0]["low"].to_list() != tables[1]["low"].to_list()
    assert all(table.select(timed).equals(tables[0].select(timed)) for table in tables)


def test_p_is_the_share_of_sign_patterns_that_are_as_far_out():
    # Of 2^6 patterns only two have all signs alike.
    assert p_of(np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.3])).item() == pytest.approx(2 / 64, abs=0.01)
    assert p_of(np.array([0.1, -0.1, 0.2, -0.2])).item() == 1
    assert p_of(np.zeros(9)).item() == 1


def test_p_of_a_clear_drift_is_tiny():
    assert p_of(np.linspace(0.2, 0.4, 50)).item() < 1e-9


def test_p_is_even_where_nothing_drifts():
    changes = np.random.default_rng(0).laplace(0, 0.2, (2000, 30))
    p = p_of(changes)
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.015)
    assert (p <= 0.5).mean() == pytest.approx(0.5, abs=0.04)


def test_q_is_benjamini_and_hochberg_s():
    p = np.array([0.04, 0.001, 0.3, 0.012, 0.9])
    assert q_values(p) == pytest.approx([0.04 * 5 / 3, 0.005, 0.3 * 5 / 4, 0.03, 0.9])
    assert q_values(np.array([0.5, 0.5])) == pytest.approx([0.5, 0.5])
    assert q_values(np.array([])).size == 0


def test_few_of_the_drifts_called_real_are_not():
    # Nine topics that stay and three that move, in one family; stances sum to one, so that their tests depend.
    false, real = [], []
    for seed in range(12):
        bootstrap = Bootstrap(seed=seed, replicates=500)
        still, moving = (
            Regime("", questions=20, checkpoints=1, moved=m, target=t)
            for m, t in ((0.3, (0.35, 0.4, 0.25)), (0.9, (0.1, 0.8, 0.1)))
        )
        (a,), (b,) = (panels(regime, n, bootstrap) for regime, n in ((still, 9), (moving, 3)))
        drifts = [measure(panel, [still.trajectory], bootstrap).drift for panel in (a, b)]
        p = np.concatenate([drift.filter(pl.col("topic") != "all")["p_value"] for drift in drifts])
        called = q_values(p) <= 0.05
        false.append(called[:27].sum() / max(called.sum(), 1))
        real.append(called[27:].mean())
    assert np.mean(false) < 0.08
    assert np.mean(real) > 0.25
