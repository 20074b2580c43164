import json
from dataclasses import asdict

import numpy as np
import polars as pl
import pytest
from stance_tables import planted_table, stance_table

from valuedrift.errors import ArtifactError
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.findings import PreferenceSets, paper_findings
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import make_panel
from valuedrift.statistics.trajectory import Trajectory

QUICK = Bootstrap(seed=1, replicates=200)
SETS = PreferenceSets(small_gap=("ultrafeedback", "hh"), support_aligned="pro", oppose_aligned="con")
TOPICS = ("climate", "race", "work")
STEPS = (10, 20, 30, 40)
WIDE = "wide_gap_separates_algorithms"

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
        (run, step, topic, f"{t}-{q:02}", 0, np.clip(p[t, q], 0, 1).tolist())
        for t, topic in enumerate(TOPICS)
        for q in range(20)
    )


def planted(shares=TUNED):
    return planted_table({("wildchat", topic): shares for topic in TOPICS})


def findings(trajectories, stances, shares=None, sets=SETS):
    measured = measure(make_panel(stances, QUICK), trajectories, QUICK)
    return paper_findings(measured.runs, sets, shares, QUICK)


def drift_table(stances, trajectories):
    return measure(make_panel(stances, QUICK), trajectories, QUICK).drift


@pytest.mark.parametrize("shares", [planted(), None])
def test_all_three_hold_in_a_world_like_the_paper_s(shares):
    found = findings(*world(), shares)
    assert [finding.name for finding in found] == ["sft_sets_values_early", "small_gap_barely_moves", WIDE]
    assert [finding.holds for finding in found] == [True, True, True]
    assert json.loads(json.dumps([asdict(finding) for finding in found], allow_nan=False))[1]["holds"] is True
    assert ("distance_after" in found[0].numbers["sft"]["sft-wildchat"]) == (shares is not None)


def test_sft_numbers_are_those_of_the_planted_world():
    found, _, _ = findings(*world(), planted())
    numbers = found.numbers["sft"]["sft-wildchat"]
    # |0.2| + |0.5| + |0.3| over three stances, the same on each topic.
    assert numbers["magnitude"]["value"] == pytest.approx(1 / 3, abs=0.005)
    assert numbers["magnitude"]["low"] <= numbers["magnitude"]["value"] <= numbers["magnitude"]["high"]
    assert 0 < numbers["magnitude"]["noise"] < 0.03
    assert (numbers["drifted"], numbers["cells"]) == (9, 9)
    assert numbers["median_time"]["value"] in (0.25, 0.5)
    assert numbers["distance_before"]["value"] == pytest.approx(1 / 3, abs=0.005)
    assert numbers["distance_after"]["value"] == pytest.approx(0, abs=0.005)
    assert found.numbers["largest_small_gap"]["run"] == "sft-wildchat/dpo-ultrafeedback"
    assert found.numbers["largest_small_gap"]["value"] == pytest.approx(0.1 / 3, abs=0.005)


@pytest.mark.parametrize(
    ("changed", "shares"),
    [
        ({"speed": (0.1, 0.2, 0.4, 1.0)}, planted()),  # late
        ({"moved": {**MOVED, ("dpo", "hh"): (0.90, 0.05, 0.05)}}, planted()),  # a small-gap run moves further
        ({"moved": {**MOVED, ("dpo", "hh"): (0.695, 0.205, 0.10)}}, planted()),  # … or nearly as far
        ({}, planted((0.60, 0.00, 0.40))),  # away from the data's shares
        ({"tuned": BASE}, None),  # no drift at all
    ],
)
def test_sft_does_not_set_the_values_early(changed, shares):
    assert findings(*world(**changed), shares)[0].holds is False


def test_every_sft_run_has_to_set_its_values_early():
    runs, stances = world()
    still, more = world({}, tuned=BASE, sft="alpaca")
    found, _, _ = findings([*runs, *still], pl.concat([stances, more.filter(pl.col("run") != "base")]))
    assert found.holds is False
    assert found.numbers["sft"]["sft-alpaca"]["median_time"] is None
    assert found.numbers["sft"]["sft-alpaca"]["drifted"] == 0


def test_small_gap_numbers_are_per_algorithm_over_all_its_runs_and_topics():
    moved = {**MOVED, ("dpo", "hh"): (0.20, 0.73, 0.07)}
    runs, stances = world(moved)
    _, found, _ = findings(runs, stances)
    dpo = found.numbers["algorithms"]["dpo"]
    assert dpo["runs"] == ["sft-wildchat/dpo-ultrafeedback", "sft-wildchat/dpo-hh"]
    assert dpo["largest"]["stance"] == "neutral"
    assert dpo["largest"]["value"] == pytest.approx((0.05 + 0.03) / 2, abs=0.005)
    table = drift_table(stances, runs).filter(pl.col("topic") != "all", algorithm="dpo", stance="support")
    by_hand = table.filter(pl.col("data").is_in(SETS.small_gap))["magnitude"].abs().mean()
    assert dpo["stances"]["support"]["value"] == pytest.approx(by_hand, abs=1e-12)
    assert all(one["low"] <= one["value"] <= one["high"] for one in dpo["stances"].values())
    assert set(found.numbers["algorithms"]) == {"dpo", "ppo", "simpo"}


def test_a_small_gap_run_that_moves_one_stance_beyond_the_limit_fails_the_second_finding():
    moved = {**MOVED, ("simpo", "hh"): (0.20, 0.55, 0.25)}
    _, found, _ = findings(*world(moved))
    assert found.holds is False
    assert found.numbers["algorithms"]["simpo"]["largest"]["value"] == pytest.approx(0.15, abs=0.005)


def test_wide_gap_numbers_and_paired_differences():
    _, _, found = findings(*world())
    for aligned, expected in (("support", (0.55, 0.15, -0.01)), ("oppose", (0.40, 0.10, 0.01))):
        magnitude = found.numbers[f"{aligned}_aligned"]["magnitude"]
        assert [magnitude[a]["value"] for a in ("dpo", "simpo", "ppo")] == pytest.approx(expected, abs=0.005)
    difference = found.numbers["support_aligned"]["difference"]
    assert difference["dpo_simpo"]["value"] == pytest.approx(0.40, abs=0.01)
    assert difference["simpo_ppo"]["value"] == pytest.approx(0.14, abs=0.01)
    assert difference["dpo_simpo"]["low"] > 0


def test_means_over_topics_are_those_of_the_drift_table_with_nearly_the_same_interval():
    runs, stances = world()
    _, _, found = findings(runs, stances)
    table = drift_table(stances, runs).filter(topic="all", stance="support", data="pro")
    for algorithm, one in found.numbers["support_aligned"]["magnitude"].items():
        expected = table.filter(algorithm=algorithm).select("magnitude", "low", "high").row(0)
        assert one["value"] == pytest.approx(expected[0], abs=1e-12)
        # The drift table's is widened for the few questions of each topic.
        assert (one["low"], one["high"]) == pytest.approx(expected[1:], abs=3e-3)


@pytest.mark.parametrize(
    "change",
    [
        {("dpo", "pro"): (0.45, 0.50, 0.05)},  # less than 0.3
        {("simpo", "pro"): (0.80, 0.18, 0.02)},  # SimPO further than DPO
        {("ppo", "pro"): (0.00, 0.85, 0.15)},  # PPO further than SimPO, downwards
    ],
)
def test_algorithms_are_not_separated(change):
    assert findings(*world({**MOVED, **change}))[2].holds is False


def test_findings_without_their_runs_cannot_be_told():
    runs, stances = world()
    for kept, expected in {
        ("sft",): [None, None, None],
        ("sft", "ultrafeedback"): [True, True, None],
        ("ultrafeedback", "pro"): [None, True, True],
        ("con",): [None, None, None],
    }.items():
        found = findings([run for run in runs if run.data in kept or run.algorithm in kept], stances)
        assert [finding.holds for finding in found] == expected
        assert all((finding.numbers == {}) == (finding.holds is None) for finding in found)
    without_ppo = [run for run in runs if (run.algorithm, run.data) != ("ppo", "pro")]
    assert findings(without_ppo, stances)[2].holds is None
    without_con = [run for run in runs if run.data != "con"]
    assert findings(without_con, stances)[2].numbers["oppose_aligned"] is None


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        (PreferenceSets(), []),
        (PreferenceSets(support_aligned="pro"), [WIDE]),
        (PreferenceSets(["ultrafeedback"]), ["sft_sets_values_early", "small_gap_barely_moves"]),
    ],
)
def test_findings_whose_data_sets_are_not_named_are_left_out(sets, expected):
    assert [finding.name for finding in findings(*world(), sets=sets)] == expected


def test_algorithms_are_compared_after_the_sft_runs_that_all_of_them_have():
    runs, stances = world()
    only_dpo, more = world({("dpo", "pro"): (0.20, 0.70, 0.10)}, sft="alpaca")
    _, _, found = findings([*runs, *only_dpo], pl.concat([stances, more.filter(pl.col("run") != "base")]))
    assert found.numbers["support_aligned"]["sft"] == ["wildchat"]
    assert found.numbers["support_aligned"]["magnitude"]["dpo"]["value"] == pytest.approx(0.55, abs=0.005)


def test_missing_planted_shares_are_named():
    gap = planted().filter(~((pl.col("topic") == "race") & (pl.col("stance") == "neutral")))
    with pytest.raises(ArtifactError, match="data wildchat, topic race, stance neutral"):
        findings(*world(), gap)
