import numpy as np
import polars as pl
import pytest
from interval_coverage import coverage_table
from power import Questions, power_table
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
    assert found.get("drift_time", 1) >= 0.90


@pytest.mark.slow
@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.name)
def test_intervals_of_500_experiments_hold_the_truth_95_percent_of_the_time(regime):
    found = shares(regime, 500, 2000)
    # Two standard errors of 500 experiments beyond 93 and 97 %.
    assert {name: share for name, share in found.items() if name in PLAIN and not 0.91 <= share <= 0.99} == {}
    # A time is one of the saved steps, so its intervals may hold it more often.
    assert found.get("drift_time", 1) >= 0.93


def test_times_of_an_early_plateau_are_held_though_the_highest_of_its_noisy_values_lies_late():
    regime = Regime("", questions=20, checkpoints=57, concentration=6, target=(0.35, 0.65, 0.0001), speed=20)
    table = coverage_table(regime, 60, Bootstrap(replicates=200))
    found = table.filter(measure="drift_time", stance="neutral").row(0, named=True)
    assert found["intervals"] > 50
    assert found["covered"] / found["intervals"] >= 0.88


def test_simulated_values_are_those_of_the_truth():
    regime = Regime("", concentration=3)
    shares = regime.shares(40_000, np.random.default_rng(0))
    assert shares.mean(axis=1) == pytest.approx(regime.values, abs=0.01)
    assert regime.values[0] == pytest.approx(regime.base)
    assert regime.progress[-1] == 1


def test_power_grows_with_questions_and_magnitude_and_false_alarms_stay_at_5_percent():
    table = power_table((10, 50, 200), (0.0, 0.1, 0.3), Questions(), 400, Bootstrap(replicates=400))
    power = {(row["questions"], row["magnitude"]): row["power"] for row in table.iter_rows(named=True)}
    assert all(power[n, 0.0] <= 0.08 for n in (10, 50, 200))
    assert power[10, 0.1] < power[50, 0.1] < power[200, 0.1]
    assert power[50, 0.3] > 0.95
    assert table.filter((pl.col("low") > pl.col("power")) | (pl.col("high") < pl.col("power"))).is_empty()


def test_more_answers_to_a_question_tell_more():
    few, many = (
        power_table((50,), (0.1,), Questions(answers=n), 400, Bootstrap(replicates=400))["power"].item()
        for n in (1, 20)
    )
    assert many > few + 0.1
