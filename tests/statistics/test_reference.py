"""The vectorised statistics against the same definitions in plain loops over Python numbers."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import polars as pl
import pytest
from scipy.optimize import brentq, isotonic_regression
from scipy.spatial.distance import jensenshannon
from scipy.stats import ncf, norm, t
from simulation import Regime, panels
from stance_tables import RUN, run_of, stance_table

from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.health import healthy_drifts
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import KEYS, STANCES, read_panels, topic_values
from valuedrift.statistics.root_mean_square import root_mean_square

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


def drift_time(means, values):
    """means[topic][checkpoint][question] → the first checkpoint within the t interval of the extremum."""
    sign = sign_of(values[-1] - values[0])
    heights = [sign * value for value in values]
    at = next(c for c, height in enumerate(heights) if height >= max(heights) - 1e-12)
    margin = reach_of([own[at] for own in means], 0.975)
    return next(c for c, height in enumerate(heights) if height >= heights[at] - margin - 1e-12)


def crossing(values, share):
    """Where scipy's isotonic fit crosses, as a share of evenly spaced steps; anything if there is no such fit."""
    sign = sign_of(values[-1] - values[0])
    rising = [sign * value for value in values]
    level = rising[0] + share * (rising[-1] - rising[0])
    fit = isotonic_regression(rising).x.tolist()
    after = next(c for c, x in enumerate(fit) if x >= level - 1e-12)
    return (after - 1 + (level - fit[after - 1]) / (fit[after] - fit[after - 1])) / (len(values) - 1)


def crossing_interval(values, replicates, share, variance, drawn, freedom):
    """replicates[checkpoint][replicate], all with the sign of the values' net change."""
    times = [crossing([own[b] for own in replicates], share) for b in range(len(replicates[0]))]
    wider = math.sqrt(variance / drawn)
    under, over = (norm.cdf(-t.ppf(1 - tail, freedom) * wider) for tail in (0.005, 0.025))
    value = crossing(values, share)
    return value, min(np.quantile(times, under), value), max(np.quantile(times, 1 - over), value)


def flip_p(topics):
    """Over all 2^n ways of swapping start and end of the questions of one topic, or of drawn ways for more."""
    flat = [x / (len(own) * len(topics)) for own in topics for x in own]
    sums = [abs(sum(s * x for s, x in zip(signs, flat, strict=True))) for signs in product((1, -1), repeat=len(flat))]
    return sum(one >= abs(sum(flat)) - 1e-12 for one in sums) / len(sums)


def pseudo(variance, size, answers):
    return max(variance, (variance * size * (size - 1) + 2 / answers**2) / (size * (size + 1)))


def root_mean_square_of(topics, answers):
    """topics[topic][cell][question] → value, and its interval from the noncentral F distribution."""
    square = plain = noise = second = second_error = count = 0
    for cells in topics:
        size = len(cells[0])
        off = [[x - mean(cell) for x in cell] for cell in cells]
        own = [[sum(x * y for x, y in zip(a, b, strict=True)) / (size * (size - 1)) for b in off] for a in off]
        floors = [pseudo(own[i][i], size, answers) for i in range(len(cells))]
        scale = [math.sqrt(floors[i] / own[i][i]) for i in range(len(cells))]
        squares = [(own[i][j] * scale[i] * scale[j]) ** 2 for i in range(len(cells)) for j in range(len(cells))]
        square += sum(mean(cell) ** 2 for cell in cells)
        plain += sum(own[i][i] for i in range(len(cells)))
        noise += sum(floors)
        second += sum(squares)
        second_error += sum(squares) / (size - 1)
        count += len(cells)
    dfn, dfd = noise**2 / second, noise**2 / second_error

    def bound(share, ratio):
        def below(noncentrality):
            return ncf.cdf(ratio, dfn, dfd, noncentrality) - share

        fitting = brentq(below, 1e-9, 1e4) if below(1e-9) > 0 else 0.0
        return math.sqrt(fitting * noise / count / dfn)

    value = math.sqrt(max(0, square - plain) / count)
    return value, min(bound(0.975, square / noise), value), max(bound(0.025, max(square / noise, 1)), value)


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
    timed = 0
    for topic, place in panel.topics.items():
        for s, stance in enumerate(STANCES):
            means = [[panel.means[c, place, s].tolist() for c in range(9)]]
            values = [mean(own) for own in means[0]]
            row = table.filter(topic=topic, stance=stance).row(0, named=True)
            if not row["real"]:
                assert [row[name] for name in ("time", "t50", "t90_low")] == [None] * 3
                assert row["outcome"] == "unclear"
                continue
            timed += 1
            reached = drift_time(means, values)
            assert row["time"] == (reached / 8 if reached else None)
            assert row["outcome"] == ("reached" if reached else "no_drift")
            replicates = replicates_of(panel, [topic], means)
            _, drawn, variance, freedom = spread([[y - x for x, y in zip(means[0][0], means[0][-1], strict=True)]])
            for name, share in (("t50", 0.5), ("t90", 0.9)):
                if all(
                    sign_of(r[0] - r[1]) == sign_of(values[0] - values[-1])
                    for r in zip(replicates[0], replicates[-1], strict=True)
                ):
                    expected = crossing_interval(values, replicates, share, variance, drawn, freedom)
                    found = [row[f"{name}{end}"] for end in ("", "_low", "_high")]
                    assert found == pytest.approx(expected, abs=1e-9)
    assert timed > 10


@pytest.mark.parametrize("stances", [(0,), (0, 1, 2)])
def test_a_root_mean_square_agrees_with_plain_loops(stances):
    regime = Regime("moves", topics=3, questions=9, checkpoints=1, moved=0.9, concentration=6)
    (panel,) = panels(regime, 1, BOOTSTRAP)
    changes = [(panel.means[1, own] - panel.means[0, own]).T[list(stances)] for own in panel.topics.values()]
    found = root_mean_square(changes, answers=5)
    expected = root_mean_square_of([cells.tolist() for cells in changes], 5)
    # SciPy's two functions for the noncentral F distribution differ in the fourth digit.
    assert (found.value, *found.bounds(0.025)) == pytest.approx(expected, rel=2e-3)


def test_the_band_of_a_trajectory_agrees_with_plain_loops(world):
    _, panel, found = world
    names, means_of = topics_of(panel, "topic-00000")
    cells = [(c, s, means_of(s)[0][c]) for c in range(5) for s in range(3)]
    drawn = {(c, s): replicates_of(panel, names, [[own]])[0] for c, s, own in cells}
    furthest = [
        max(abs(drawn[c, s][b] - mean(own)) / math.sqrt(spread([own])[1]) for c, s, own in cells) for b in range(99)
    ]
    factor = t.ppf(norm.cdf(np.quantile(furthest, 0.95)), 6) / t.ppf(0.975, 6)
    for row in found.values.filter(topic="topic-00000").iter_rows(named=True):
        half = factor * max(row["value"] - row["low"], row["high"] - row["value"])
        band = max(row["value"] - half, 0), min(row["value"] + half, 1)
        assert (row["band_low"], row["band_high"]) == pytest.approx(band, abs=1e-9)


@pytest.mark.parametrize("which", ["topic-00000", "all"])
def test_the_noise_floor_agrees_with_plain_loops(world, which):
    regime, panel, found = world
    names, means_of = topics_of(panel, which)
    for s, stance in enumerate(STANCES):
        k = regime.answers
        # Each answer has one stance, so that k answers of which a share p has it scatter by p (1 − p) k / (k − 1).
        parts = [
            p * (1 - p) * k / (k - 1) / k / len(own[c]) ** 2 for own in means_of(s) for c in (0, -1) for p in own[c]
        ]
        floor = norm.ppf(0.975) * math.sqrt(sum(parts)) / len(names)
        assert found.drift.filter(topic=which, stance=stance)["noise_floor"].item() == pytest.approx(floor)


@pytest.mark.parametrize("which", ["topic-00000", "topic-00001", "all"])
def test_values_drifts_and_tests_agree_with_plain_loops(world, which):
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
        magnitude = values[-1] - values[0]
        row = found.drift.filter(topic=which, stance=stance).row(0, named=True)
        low, high = interval(changes, moved, False, -1.0)
        *_, variance, freedom = spread(changes)
        least = sum(pseudo(spread([own])[2], len(own), regime.answers) / len(names) ** 2 for own in changes)
        if least > variance * (1 + 1e-9):
            questions = sum(len(own) for own in changes)
            half = t.ppf(0.975, max(freedom, questions + 1)) * math.sqrt(least)
            low, high = min(low, magnitude - half), max(high, magnitude + half)
        names_of = ("magnitude", "low", "high", "error")
        expected = [magnitude, low, high, math.sqrt(max(least, variance))]
        assert [row[name] for name in names_of] == pytest.approx(expected, abs=1e-12)
        exact = flip_p(changes)
        assert exact - 1e-9 <= row["p_value"] <= 1.12 * exact


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


def test_groups_and_healthy_answers_agree_with_plain_loops(tmp_path):
    """Three questions of a group are one unit with all their answers; unhealthy answers are left out."""
    rng = np.random.default_rng(5)
    said = [
        ("base" if c == 0 else RUN, 10 * c, topic, f"{topic}-{q}", k, rng.dirichlet([1, 2, 1]).tolist())
        for c, topic, q, k in product((0, 1), ("a", "b"), range(8), range(3))
    ]
    ill = rng.random(len(said)) < 0.3
    table = stance_table(said).with_columns(
        group=pl.when(pl.col("question_id").str.contains("-[012]$")).then(pl.lit("three")), ill=pl.Series(ill)
    )
    table.drop("ill").write_parquet(tmp_path / "stances.parquet")
    panels = read_panels([tmp_path / "stances.parquet"], table.filter("ill").select(KEYS), BOOTSTRAP)
    trajectory = run_of(10)
    every = measure(panels[0], [trajectory], BOOTSTRAP)
    among, _ = healthy_drifts(panels[1], every.runs, BOOTSTRAP)
    for which, s in product(("a", "b", "all"), range(3)):
        row = every.drift.filter(topic=which, stance=STANCES[s]).row(0, named=True)
        row |= among.filter(topic=which, stance=STANCES[s]).row(0, named=True)
        for name, left_out in (("magnitude", [False] * len(said)), ("healthy_magnitude", ill)):
            units = {}
            for (_, step, topic, question, _, p), unhealthy in zip(said, left_out, strict=True):
                unit = "three" if question[-1] in "012" else question
                if not unhealthy and which in (topic, "all"):
                    units.setdefault(topic, {}).setdefault(unit, {0: [], 10: []})[step].append(p[s])
            changes = [
                [mean(one[10]) - mean(one[0]) for one in own.values() if one[0] and one[10]] for own in units.values()
            ]
            assert row[name] == pytest.approx(mean([mean(own) for own in changes]), abs=1e-12)
        assert row["questions"] == (12 if which == "all" else 6)


def test_three_shares_that_fall_short_of_one_are_weighted_like_those_that_do_not(world):
    _, panel, _ = world
    short = replace(panel, means=panel.means * 0.9995)
    whole, own = (topic_values(one, "topic-00001", list(panel.checkpoints)) for one in (panel, short))
    assert np.abs(own.replicates - 0.9995 * whole.replicates).max() < 1e-12
