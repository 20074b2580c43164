import numpy as np
import polars as pl
import pytest
from interval_coverage import coverage_table
from simulation import REGIMES, Regime

from valuedrift.statistics.bootstrap import Bootstrap

PLAIN = ("value", "magnitude", "total_variation", "jensen_shannon")


def shares(regime, experiments, replicates, seed=0):
    table = coverage_table(regime, experiments, Bootstrap(seed=seed, replicates=replicates))
    pooled = table.group_by("measure").agg(pl.col("covered").sum() / pl.col("intervals").sum())
    return dict(pooled.iter_rows())


@pytest.mark.parametrize("regime", [REGIMES[0], REGIMES[1], REGIMES[3], REGIMES[8]], ids=lambda regime: regime.name)
def test_intervals_hold_the_truth_about_as_often_as_they_say(regime):
    found = shares(regime, 150, 500)
    assert {name: share for name, share in found.items() if name in PLAIN and not 0.90 <= share <= 0.99} == {}
    assert all(found.get(name, 1) >= 0.88 for name in ("t50", "t90"))


@pytest.mark.slow
@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.name)
def test_intervals_of_500_experiments_hold_the_truth_95_percent_of_the_time(regime):
    found = shares(regime, 500, 2000)
    # Two standard errors of 500 experiments beyond 93 and 97 %.
    assert {name: share for name, share in found.items() if name in PLAIN and not 0.91 <= share <= 0.99} == {}
    assert all(found.get(name, 1) >= 0.91 for name in ("t50", "t90", "rms", "band"))


def test_the_interval_of_a_root_mean_square_holds_where_nothing_moves_and_where_little_does():
    for moved, shared in ((0.0, True), (0.03, True), (0.3, False)):
        regime = Regime("", questions=20, checkpoints=1, moved=moved, shared=shared)
        table = coverage_table(regime, 440, Bootstrap(replicates=100)).filter(measure="rms")
        assert table["intervals"].item() >= 30
        assert table["covered"].item() >= 0.9 * table["intervals"].item()


def test_a_tiny_drift_under_shared_random_numbers_has_an_interval_of_some_width():
    regime = Regime("", questions=20, checkpoints=1, moved=0.03, shared=True)
    for measure in ("magnitude", "total_variation", "jensen_shannon"):
        table = coverage_table(regime, 100, Bootstrap(replicates=100)).filter(measure=measure)
        assert table["covered"].sum() >= 0.93 * table["intervals"].sum()


def test_simulated_values_are_those_of_the_truth():
    regime = Regime("", concentration=3)
    shares = regime.shares(40_000, np.random.default_rng(0))
    assert shares.mean(axis=1) == pytest.approx(regime.values, abs=0.01)
    assert regime.values[0] == pytest.approx(regime.base)
    assert regime.progress[-1] == 1
