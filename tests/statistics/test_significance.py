import numpy as np
import polars as pl
import pytest
from simulation import Regime, panels

from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.measures import measure
from valuedrift.statistics.significance import flipped_means, flips, p_values, q_values

BOOTSTRAP = Bootstrap(seed=5, replicates=2000)


def p_of(changes):
    changes = np.atleast_2d(changes)
    null = flipped_means([changes], [flips("work", changes.shape[1], BOOTSTRAP)])
    return p_values(changes.mean(axis=1), null)


def test_p_is_the_share_of_sign_patterns_that_are_as_far_out():
    # Of 2^6 patterns only two have all signs alike.
    assert p_of(np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.3])).item() == pytest.approx(2 / 64, abs=0.01)
    assert p_of(np.array([0.1, -0.1, 0.2, -0.2])).item() == 1
    assert p_of(np.zeros(9)).item() == 1


def test_p_of_a_clear_drift_is_the_smallest_that_the_replicates_allow():
    assert p_of(np.linspace(0.2, 0.4, 50)).item() == pytest.approx(1 / 2001)


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
