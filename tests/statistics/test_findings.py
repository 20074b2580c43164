import json
from dataclasses import asdict

import numpy as np
import polars as pl
import pytest
from stance_tables import planted_table, stance_table

from valuedrift.errors import ArtifactError
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.findings import PreferenceSets, Thresholds, paper_findings
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import make_panel
from valuedrift.statistics.trajectory import Trajectory

QUICK = Bootstrap(seed=1, replicates=200)
SETS = PreferenceSets(small_gap=("ultrafeedback", "hh"), support_aligned="pro", oppose_aligned="con")
TOPICS = ("climate", "race", "work")
STEPS = (10, 20, 30, 40)
WIDE, PRIOR = "wide_gap_separates_algorithms", "dpo_amplifies_the_prior"
THRESHOLDS = Thresholds(early=0.5, barely=0.1, strong=0.3)

# Shares of support, neutral and oppose at each end of the trajectories.
BASE = (0.40, 0.20, 0.40)
TUNED = (0.20, 0.70, 0.10)
MOVED = {
    ("ppo", "ultrafeedback"): (0.21, 0.69, 0.10),
    ("dpo", "ultrafeedback"): (0.24, 0.65, 0.11),
    ("simpo", "hh"): (0.20, 0.71, 0.09),
    ("ppo", "pro"): (0.19, 0.70, 0.11),
    ("simpo", "pro"): (0.35, 0.58, 0.07),
    ("dpo", "pro"): (0.75, 0.23, 0.02),
    ("ppo", "con"): (0.20, 0.69, 0.11),
    ("simpo", "con"): (0.18, 0.62, 0.20),
    ("dpo", "con"): (0.10, 0.40, 0.50),
}


def sft_run(data):
    return Trajectory(f"sft-{data}", "sft", data, data, "base", 0, STEPS)


def preference_run(sft, algorithm, data):
    return Trajectory(f"sft-{sft}/{algorithm}-{data}", algorithm, data, sft, f"sft-{sft}", STEPS[-1], STEPS)


def world(moved=MOVED, speed=(0.9, 1.0, 1.0, 1.0), tuned=TUNED, sft="wildchat"):
    """Trajectories and stances of one SFT run and the preference runs `moved`, each reached at `speed`."""
    targets = {sft_run(sft): (BASE, tuned)}
    targets |= {preference_run(sft, *key): (tuned, end) for key, end in moved.items()}
    shares = {("base", 0): np.array(BASE)}
    for trajectory, (start, end) in targets.items():
        for step, done in zip(STEPS, speed, strict=True):
            shares[trajectory.run, step] = np.array(start) + done * (np.array(end) - np.array(start))
    return list(targets), pl.concat([answers(*checkpoint, share) for checkpoint, share in shares.items()])


def answers(run, step, share):
    """20 questions a topic, each with a tilt of its own that the checkpoints share, so that they are paired."""
    rng = np.random.default_rng([sum(map(ord, run)), step])
    tilt = np.random.default_rng(0).normal(0, 0.3, (len(TOPICS), 20, 3))
    p = share * np.exp(tilt + rng.normal(0, 0.02, tilt.shape))
    p /= p.sum(axis=-1, keepdims=True)
    p += share - p.mean(axis=1, keepdims=True)
    return stance_table(
        (run, step, topic, f"{t}-{q:02}", sample, np.clip(p[t, q], 0, 1).tolist())
        for t, topic in enumerate(TOPICS)
        for q in range(20)
        for sample in range(20)
    )


def planted(shares=TUNED):
    return planted_table({("wildchat", topic): shares for topic in TOPICS})


def findings(trajectories, stances, shares=None, sets=SETS, thresholds=THRESHOLDS, others=()):
    measured = measure(make_panel(stances, QUICK), trajectories, QUICK)
    return paper_findings(measured.runs, sets, shares, thresholds, QUICK, others)


def drift_table(stances, trajectories):
    return measure(make_panel(stances, QUICK), trajectories, QUICK).drift


def planted_elsewhere():
    return planted_table({("alpaca", topic): TUNED for topic in TOPICS})


@pytest.mark.parametrize("shares", [planted(), None, planted_elsewhere()])
def test_all_hold_in_a_world_like_the_paper_s(shares):
    found = findings(*world(), shares)
    assert [finding.name for finding in found] == ["sft_sets_values_early", "small_gap_barely_moves", WIDE, PRIOR]
    assert [(finding.holds, finding.reason) for finding in found] == [(True, None)] * 4
    assert json.loads(json.dumps([asdict(finding) for finding in found], allow_nan=False))[1]["holds"] is True
    assert ("nearer_to_data" in found[0].numbers["sft-wildchat"]) == (
        shares is not None and "wildchat" in set(shares["data"])
    )


def test_sft_numbers_are_those_of_the_planted_world():
    found, *_ = findings(*world(), planted())
    numbers = found.numbers["sft-wildchat"]
    # 0.2, 0.5 and 0.3, the same on each topic.
    assert numbers["rms"]["value"] == pytest.approx(np.sqrt(0.38 / 3), abs=0.005)
    assert numbers["rms"]["low"] <= numbers["rms"]["value"] <= numbers["rms"]["high"]
    assert numbers["t50"]["value"] == pytest.approx(0.25 * 0.5 / 0.9, abs=0.01)
    assert (numbers["t50"]["threshold"], numbers["t50"]["rule"]) == (0.5, "below")
    assert numbers["nearer_to_data"]["value"] == pytest.approx(np.sqrt(0.38 / 3), abs=0.01)
    further = numbers["further_than"]
    assert set(further) == {run.run for run in world()[0] if run.data in SETS.small_gap}
    small = np.sqrt((0.04**2 + 0.05**2 + 0.01**2) / 3)
    one = further["sft-wildchat/dpo-ultrafeedback"]
    assert one["value"] == pytest.approx(np.sqrt(0.38 / 3) - small, abs=0.01)
    assert 0 < one["low"] <= one["bound"] <= one["value"]


@pytest.mark.parametrize(
    ("changed", "shares"),
    [
        ({"speed": (0.1, 0.2, 0.4, 1.0)}, planted()),  # late
        ({"moved": {**MOVED, ("dpo", "hh"): (0.90, 0.05, 0.05)}}, planted()),  # a small-gap run moves further
        ({}, planted((0.60, 0.00, 0.40))),  # away from the data's shares
    ],
)
def test_sft_does_not_set_the_values_early(changed, shares):
    assert findings(*world(**changed), shares)[0].holds is False


@pytest.mark.parametrize(
    "changed",
    [
        {"speed": (0.25, 0.5, 0.75, 1.0)},  # along a straight line
        {"moved": {**MOVED, ("dpo", "hh"): (0.70, 0.20, 0.10)}},  # a small-gap run moves as far
        {"tuned": BASE, "moved": {("dpo", "hh"): BASE}},  # nothing moves
    ],
)
def test_whether_sft_sets_the_values_early_is_not_decided(changed):
    found = findings(*world(**changed))[0]
    assert (found.holds, found.reason) == (None, "undecided")


def test_early_can_be_asked_for_earlier_than_a_straight_line():
    runs, stances = world(speed=(0.4, 0.75, 0.9, 1.0))
    assert findings(runs, stances)[0].holds is True
    strict = Thresholds(early=0.2, barely=0.1, strong=0.3)
    assert findings(runs, stances, thresholds=strict)[0].holds is False


def test_every_sft_run_has_to_set_its_values_early():
    runs, stances = world()
    still, more = world({}, speed=(0.1, 0.2, 0.4, 1.0), sft="alpaca")
    found, *_ = findings([*runs, *still], pl.concat([stances, more.filter(pl.col("run") != "base")]))
    assert found.holds is False
    assert found.numbers["sft-alpaca"]["t50"]["holds"] is False
    assert found.numbers["sft-wildchat"]["t50"]["holds"] is True


def test_small_gap_numbers_are_per_algorithm_over_all_its_runs_and_topics():
    moved = {**MOVED, ("dpo", "hh"): (0.20, 0.73, 0.07)}
    runs, stances = world(moved)
    _, found, *_ = findings(runs, stances)
    dpo = found.numbers["dpo"]
    assert dpo["neutral"]["value"] == pytest.approx(np.sqrt((0.05**2 + 0.03**2) / 2), abs=0.005)
    table = drift_table(stances, runs).filter(pl.col("topic") != "all", algorithm="dpo", stance="support")
    own = table.filter(pl.col("data").is_in(SETS.small_gap))
    square = (own["magnitude"] ** 2).mean()
    assert dpo["support"]["value"] == pytest.approx(np.sqrt(square), abs=0.002)
    assert all(one["low"] <= one["value"] <= one["high"] for one in dpo.values())
    assert all(one["bound"] <= one["high"] for one in dpo.values())
    assert set(found.numbers) == {"dpo", "ppo", "simpo"}


@pytest.mark.parametrize(("neutral", "holds"), [(0.55, False), (0.62, True), (0.60, None)])
def test_a_small_gap_run_decides_the_second_finding_unless_it_is_too_near_to_the_limit(neutral, holds):
    moved = {**MOVED, ("simpo", "hh"): (0.20, neutral, 0.80 - neutral)}
    _, found, *_ = findings(*world(moved))
    assert found.holds is holds
    assert found.numbers["simpo"]["neutral"]["threshold"] == 0.1


def test_wide_gap_numbers_and_paired_differences():
    _, _, found, prior = findings(*world())
    numbers = found.numbers
    assert [numbers[a]["value"] for a in ("dpo", "simpo", "ppo")] == pytest.approx((0.55, 0.15, -0.01), abs=0.005)
    assert numbers["dpo_over_simpo"]["value"] == pytest.approx(0.40, abs=0.01)
    assert numbers["simpo_over_ppo"]["value"] == pytest.approx(0.16, abs=0.01)
    assert numbers["dpo_over_simpo"]["low"] > 0
    assert prior.numbers["favoured"] == "support"
    assert prior.numbers["prior"]["value"] == pytest.approx(0.1, abs=0.005)
    assert prior.numbers["difference"]["value"] == pytest.approx(0.55 - 0.40, abs=0.01)


def test_means_over_topics_and_their_intervals_are_those_of_the_drift_table():
    runs, stances = world()
    _, _, found, _ = findings(runs, stances)
    table = drift_table(stances, runs).filter(topic="all", stance="support", data="pro")
    for algorithm in ("dpo", "simpo", "ppo"):
        expected = table.filter(algorithm=algorithm).select("magnitude", "low", "high").row(0)
        one = found.numbers[algorithm]
        assert (one["value"], one["low"], one["high"]) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({("dpo", "pro"): (0.45, 0.50, 0.05)}, False),  # less than 0.3
        ({("dpo", "pro"): (0.50, 0.45, 0.05)}, None),  # 0.3
        ({("simpo", "pro"): (0.80, 0.18, 0.02)}, False),  # SimPO further than DPO
        ({("simpo", "pro"): (0.19, 0.70, 0.11)}, None),  # SimPO as far as PPO
        ({("ppo", "pro"): (0.00, 0.85, 0.15)}, False),  # PPO further than SimPO, downwards
    ],
)
def test_algorithms_are_not_separated(change, holds):
    assert findings(*world({**MOVED, **change}))[2].holds is holds


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({("dpo", "con"): (0.02, 0.20, 0.78)}, False),  # the stance that SFT prefers less moves further
        ({("dpo", "con"): (0.05, 0.30, 0.65)}, None),  # as far
    ],
)
def test_dpo_does_not_amplify_the_prior(change, holds):
    found = findings(*world({**MOVED, **change}))[3]
    assert (found.holds, found.numbers["favoured"]) == (holds, "support")


def test_findings_without_their_runs_are_missing():
    runs, stances = world()
    for kept, expected in {
        ("sft",): [None, None, None, None],
        ("sft", "ultrafeedback"): [True, True, None, None],
        ("ultrafeedback", "pro"): [None, True, True, None],
        ("con",): [None, None, None, None],
    }.items():
        found = findings([run for run in runs if run.data in kept or run.algorithm in kept], stances)
        assert [finding.holds for finding in found] == expected
        assert all((finding.numbers == {}) == (finding.holds is None) for finding in found)
        assert all(finding.reason == (None if finding.holds else "missing") for finding in found)
    without_ppo = [run for run in runs if (run.algorithm, run.data) != ("ppo", "pro")]
    assert findings(without_ppo, stances)[2].holds is None


def seeds(found, shift):
    """The findings as JSON, from two more seeds, with every estimate moved by ± shift."""
    tables = [json.loads(json.dumps([asdict(finding) for finding in found])) for _ in range(2)]
    for table, sign in zip(tables, (1, -1), strict=True):
        for finding in table:
            _move(finding["numbers"], sign * shift)
    return tables


def _move(numbers, shift):
    if "own" in numbers:
        numbers["own"] += shift
    for value in numbers.values():
        if isinstance(value, dict):
            _move(value, shift)


def test_with_three_seeds_findings_are_about_seeds():
    runs, stances = world()
    alone = findings(runs, stances)
    equal, apart = (findings(runs, stances, others=seeds(alone, shift)) for shift in (0.0, 0.15))
    one, same, wide = (found[2].numbers["dpo"] for found in (alone, equal, apart))
    assert (one["seeds"], same["seeds"], wide["seeds"]) == (1, 3, 3)
    # Seeds that agree leave the uncertainty about questions.
    assert (same["low"], same["high"]) == pytest.approx((one["low"], one["high"]))
    half = 4.303 * 0.15 / np.sqrt(3)
    assert wide["high"] - wide["value"] == pytest.approx(np.hypot(half, one["high"] - one["value"]), rel=1e-3)
    assert [finding.holds for finding in equal] == [True] * 4
    assert apart[2].holds is None
    two = findings(runs, stances, others=seeds(alone, 0.15)[:1])
    assert two[2].numbers["dpo"] == one


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (PreferenceSets(), []),
        (PreferenceSets(support_aligned="pro"), [WIDE]),
        (PreferenceSets(support_aligned="pro", oppose_aligned="con"), [WIDE, PRIOR]),
        (PreferenceSets(["ultrafeedback"]), ["sft_sets_values_early", "small_gap_barely_moves"]),
    ],
)
def test_findings_whose_data_sets_are_not_named_are_left_out(sets, expected):
    assert [finding.name for finding in findings(*world(), sets=sets)] == expected


def test_algorithms_are_compared_after_the_sft_runs_that_all_of_them_have():
    runs, stances = world()
    only_dpo, more = world({("dpo", "pro"): (0.20, 0.70, 0.10)}, sft="alpaca")
    _, _, found, _ = findings([*runs, *only_dpo], pl.concat([stances, more.filter(pl.col("run") != "base")]))
    assert found.numbers["sft"] == ["wildchat"]
    assert found.numbers["dpo"]["value"] == pytest.approx(0.55, abs=0.005)


def test_missing_planted_shares_are_named():
    gap = planted().filter(~((pl.col("topic") == "race") & (pl.col("stance") == "neutral")))
    with pytest.raises(ArtifactError, match="data wildchat, topic race, stance neutral"):
        findings(*world(), gap)
