"""The vectorised statistics against the same definitions in plain loops over Python numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import norm, t
from simulation import Regime, panels

from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import STANCES, topic_values
from valuedrift.statistics.significance import flips

BOOTSTRAP = Bootstrap(seed=4, replicates=99)


def mean(numbers):
    return sum(numbers) / len(numbers)


def sign_of(change):
    return 0 if abs(change) <= 1e-12 else math.copysign(1, change)


def spread(topics):
    influences = [[(x - mean(own)) / (len(own) * len(topics)) for x in own] for own in topics]
    variances = [sum(u * u for u in own) * len(own) / (len(own) - 1) for own in influences]
    if sum(variances) < 1e-20:
        return influences, 0, 0, 1
    freedom = sum(variances) ** 2 / sum(v * v / (len(own) - 1) for v, own in zip(variances, topics, strict=True))
    return influences, sum(u * u for own in influences for u in own), sum(variances), freedom


def interval(topics, replicates, skewed, lowest):
    """topics: question means of each topic · replicates: of the mean over topics."""
    influences, drawn, variance, freedom = spread(topics)
    a = sum(u**3 for own in influences for u in own) / (6 * drawn**1.5) if skewed else 0.0
    reach = t.ppf(0.975, freedom) * math.sqrt(variance / drawn)
    ends = [np.quantile(replicates, norm.cdf(a + (a + z) / (1 - a * (a + z)))) for z in (-reach, reach)]
    value = mean([mean(own) for own in topics])
    return max(min(ends[0], value), lowest), min(max(ends[1], value), 1.0)


def reach_of(topics, share):
    *_, variance, freedom = spread(topics)
    return t.ppf(share, freedom) * math.sqrt(variance)


def drift_time(means, values, replicates, ends):
    """means[topic][checkpoint][question] · replicates[checkpoint][replicate] → earliest, reached, latest."""
    change = values[-1] - values[0]
    sign = sign_of(change)
    heights = [sign * value for value in values]
    at = next(c for c, height in enumerate(heights) if height >= max(heights) - 1e-12)
    margin = max(values[at] - ends[at][0], 0) if sign > 0 else max(ends[at][1] - values[at], 0)
    lifted = mean([max(sign * own[b] for own in replicates) for b in range(len(replicates[0]))])
    lift = max(lifted - heights[at], 0)
    near = []
    reached = latest = None
    for c, height in enumerate(heights):
        away = heights[at] - height - margin
        paired = [[sign * (x - y) for x, y in zip(own[at], own[c], strict=True)] for own in means]
        near.append(away - (1 + math.sqrt(2)) * lift - reach_of(paired, 0.95) <= 1e-12)
        is_below = c == at or away - lift + reach_of(paired, 0.975) <= 1e-12
        reached = c if reached is None and away <= 1e-12 else reached
        latest = c if latest is None and is_below else latest
    earliest = next((c for c in range(len(near) - 1) if near[c] and near[c + 1]), reached)
    return min(earliest, reached), reached, max(latest, reached)


@pytest.fixture(scope="module")
def world():
    regime = Regime("small", topics=2, questions=7, checkpoints=4, concentration=6)
    (panel,) = panels(regime, 1, BOOTSTRAP)
    return regime, panel, measure(panel, [regime.trajectory], BOOTSTRAP)


def topics_of(panel, which):
    """means[topic][checkpoint][question] of a stance, and the draws of each topic."""
    names = list(panel.topics) if which == "all" else [which]
    return names, lambda s: [[panel.means[c, panel.topics[n], s].tolist() for c in range(5)] for n in names]


def replicates_of(panel, names, means):
    """[checkpoint][replicate]"""
    drawn = [
        [
            [sum(w * x for w, x in zip(panel.weights[n][:, b].tolist(), one, strict=True)) for b in range(99)]
            for one in own
        ]
        for n, own in zip(names, means, strict=True)
    ]
    return [[mean([topic[c][b] for topic in drawn]) for b in range(99)] for c in range(len(drawn[0]))]


def test_times_of_many_trajectories_agree_with_plain_loops():
    regime = Regime("moves", questions=15, checkpoints=8, concentration=8, moved=0.9, speed=6)
    (panel,) = panels(regime, 20, BOOTSTRAP)
    table = measure(panel, [regime.trajectory], BOOTSTRAP).drift
    for topic, place in panel.topics.items():
        for s, stance in enumerate(STANCES):
            means = [[panel.means[c, place, s].tolist() for c in range(9)]]
            values = [mean(own) for own in means[0]]
            replicates = replicates_of(panel, [topic], means)
            ends = [interval([own], drawn, True, 0.0) for own, drawn in zip(means[0], replicates, strict=True)]
            earliest, reached, latest = drift_time(means, values, replicates, ends)
            row = table.filter(topic=topic, stance=stance).row(0, named=True)
            expected = [None] * 3 if reached == 0 else [c / 8 for c in (earliest, reached, latest)]
            assert [row[name] for name in ("time_low", "time", "time_high")] == expected


@pytest.mark.parametrize("which", ["topic-00000", "topic-00001", "all"])
def test_values_drifts_times_and_tests_agree_with_plain_loops(world, which):
    regime, panel, found = world
    names, means_of = topics_of(panel, which)
    for s, stance in enumerate(STANCES):
        means = means_of(s)
        values = [mean([mean(own[c]) for own in means]) for c in range(5)]
        replicates = replicates_of(panel, names, means)
        ends = [interval([own[c] for own in means], replicates[c], True, 0.0) for c in range(5)]
        table = found.values.filter(topic=which, stance=stance)
        assert table["value"].to_list() == pytest.approx(values, abs=1e-12)
        assert list(zip(table["low"], table["high"], strict=True)) == [pytest.approx(e, abs=1e-12) for e in ends]

        changes = [[y - x for x, y in zip(own[0], own[-1], strict=True)] for own in means]
        moved = [y - x for x, y in zip(replicates[0], replicates[-1], strict=True)]
        signs = [flips(n, regime.questions, BOOTSTRAP) for n in names]
        null = [
            mean([mean([d * own[q, b] for q, d in enumerate(c)]) for own, c in zip(signs, changes, strict=True)])
            for b in range(99)
        ]
        magnitude = values[-1] - values[0]
        further = sum(abs(one) >= abs(magnitude) - 1e-12 for one in null)
        earliest, reached, latest = drift_time(means, values, replicates, ends)
        row = found.drift.filter(topic=which, stance=stance).row(0, named=True)
        low, high = interval(changes, moved, False, -1.0)
        names_of = ("magnitude", "low", "high", "p_value")
        assert [row[name] for name in names_of] == pytest.approx([magnitude, low, high, (1 + further) / 100], abs=1e-12)
        expected = [None] * 3 if reached == 0 else [c / 4 for c in (earliest, reached, latest)]
        assert [row[name] for name in ("time_low", "time", "time_high")] == expected


@pytest.mark.parametrize("which", ["topic-00000", "all"])
def test_distances_agree_with_plain_loops(world, which):
    _, panel, found = world
    _, means_of = topics_of(panel, which)
    start, end = ([mean([mean(own[c]) for own in means_of(s)]) for s in range(3)] for c in (0, -1))
    expected = [sum(abs(y - x) for x, y in zip(start, end, strict=True)) / 2, jensenshannon(start, end, base=2)]
    assert found.distances.filter(topic=which)["value"].to_list() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("which", ["topic-00001", "all"])
def test_the_interval_of_a_total_variation_agrees_with_plain_loops(world, which):
    _, panel, found = world
    names, means_of = topics_of(panel, which)
    means = [means_of(s) for s in range(3)]
    changes = [[[y - x for x, y in zip(own[0], own[-1], strict=True)] for own in one] for one in means]
    signs = [sign_of(mean([mean(own) for own in one])) for one in changes]
    topics = [
        [sum(sign * d for sign, d in zip(signs, ds, strict=True)) / 2 for ds in zip(*topic, strict=True)]
        for topic in zip(*changes, strict=True)
    ]
    moved = [[own[-1][b] - own[0][b] for b in range(99)] for own in (replicates_of(panel, names, one) for one in means)]
    linear = [sum(sign * own[b] for sign, own in zip(signs, moved, strict=True)) / 2 for b in range(99)]
    added = mean([sum(abs(own[b]) for own in moved) / 2 for b in range(99)]) - mean([mean(own) for own in topics])
    low, high = (end - added / 3 for end in interval(topics, linear, False, -1.0))
    row = found.distances.filter(topic=which, measure="total_variation").row(0, named=True)
    assert row["p_value"] > 0.05 or row["low"] == pytest.approx(max(low, 0), abs=1e-12)
    assert row["p_value"] <= 0.05 or row["low"] == 0
    assert row["high"] == pytest.approx(max(high, row["value"]), abs=1e-12)


def test_three_shares_that_fall_short_of_one_are_weighted_like_those_that_do_not(world):
    _, panel, _ = world
    short = replace(panel, means=panel.means * 0.9995)
    whole, own = (topic_values(one, "topic-00001", list(panel.checkpoints)) for one in (panel, short))
    assert np.abs(own.replicates - 0.9995 * whole.replicates).max() < 1e-12
