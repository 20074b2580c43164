import numpy as np
import polars as pl
import pytest

from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import make_panel
from valuedrift.statistics.times import drift_times
from valuedrift.statistics.trajectory import Trajectory

RUN = "sft-alpaca"
QUICK = Bootstrap(seed=1, replicates=60)


def run_of(*steps):
    return Trajectory(RUN, "sft", "alpaca", "alpaca", "base", 0, steps)


def drift_table(stances, trajectories, bootstrap):
    return measure(make_panel(stances, bootstrap), trajectories, bootstrap).drift


def stances_of(support):
    """support: topic → P(support), (checkpoints, questions, samples); P(neutral) is the rest; steps 0, 10, 20…"""
    frames = []
    for topic, p in support.items():
        c, q, k = (index.ravel() for index in np.indices(p.shape))
        flat = np.asarray(p, dtype=float).ravel()
        columns = {"step": 10 * c, "question_id": q, "sample": k, "p_support": flat, "p_neutral": 1 - flat}
        frames.append(pl.DataFrame(columns).with_columns(topic=pl.lit(topic)))
    return pl.concat(frames).with_columns(
        model=pl.lit("pocket"),
        run=pl.when(pl.col("step") == 0).then(pl.lit("base")).otherwise(pl.lit(RUN)),
        question_id=pl.format("{}-{}", "topic", pl.col("question_id").cast(pl.String).str.zfill(3)),
        p_oppose=pl.lit(0.0),
        unassigned=pl.lit(0.0),
    )


def curve(*values, questions=4):
    """A topic on which all questions have the same value at each checkpoint, one answer each."""
    return np.repeat(np.array(values)[:, None, None], questions, axis=1)


def times(values, margin, steps):
    """Drift time of a single trajectory whose intervals all reach `margin` to both sides."""
    values = np.asarray(values, dtype=float)[:, None, None]
    width = np.full((len(values), 1), margin)
    return drift_times(values, width, width, steps).item()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.1, 0.30, 0.47, 0.50], 20 / 40),  # rises: the first within 0.05 of 0.50
        ([0.9, 0.52, 0.47, 0.50], 10 / 40),  # falls: the low point is 0.47, 0.52 is within 0.05 of it
        ([0.1, 0.80, 0.20, 0.30], 10 / 40),  # rises overall: its peak counts, not its end
        ([0.5, 0.10, 0.60, 0.58], 20 / 40),  # dips first: the dip is against the net change
        ([0.3, 0.30, 0.30, 0.30], 0),  # flat
        ([0.3, 0.90, 0.10, 0.30], 0),  # ends where it began
        ([0.3, 0.32, 0.34, 0.35], 0),  # the start lies within the peak's interval
        ([0.1, 0.60, 0.60, 0.60], 10 / 40),  # tied peaks
        ([0.1, 0.20, 0.30, 0.90], 40 / 40),  # late
    ],
)
def test_drift_time_is_the_first_step_within_the_interval_of_the_extremum(values, expected):
    assert times(values, 0.05, (0, 10, 20, 40)) == expected


def test_a_single_checkpoint_has_drifted_at_its_end_or_not_at_all():
    assert times([0.1, 0.5], 0.05, (0, 7)) == 1
    assert times([0.1, 0.12], 0.05, (0, 7)) == 0


def test_values_that_differ_by_rounding_are_equal():
    other = 0.1 + 0.2
    assert other > 0.3
    assert times([0.3, 0.2, other], 0, (0, 10, 20)) == 0
    assert times([0.3, 0.9, 0.1, other], 0.05, (0, 10, 20, 40)) == 0
    assert times([0.1, 0.3, other], 0, (0, 10, 20)) == 0.5
    widths = np.array([0.0, 0.0, 0.0, 0.3])[:, None]
    assert drift_times(np.array([0.0, 0.1, 0.3, other])[:, None, None], widths, widths, (0, 10, 20, 40)).item() == 0.5


def test_the_side_of_the_interval_that_faces_the_start_decides():
    values = np.array([0.1, 0.3, 0.5])[:, None, None]
    narrow, wide = np.full((3, 1), 0.01), np.full((3, 1), 0.3)
    assert drift_times(values, narrow, wide, (0, 10, 20)).item() == 1
    assert drift_times(values, wide, narrow, (0, 10, 20)).item() == 0.5
    assert drift_times(1 - values, wide, narrow, (0, 10, 20)).item() == 1


def test_the_interval_is_that_of_the_earliest_of_tied_extrema():
    values = np.array([0.1, 0.3, 0.5, 0.5])[:, None, None]
    widths = np.array([0.0, 0.0, 0.0, 0.3])[:, None]
    assert drift_times(values, widths, widths, (0, 10, 20, 40)).item() == 0.5


def test_a_drift_without_noise_is_exact():
    table = drift_table(
        stances_of({"work": curve(0.2, 0.5, 0.6), "race": curve(0.5, 0.5, 0.5)}), [run_of(10, 20)], QUICK
    )
    work, race, both = (table.filter(topic=topic, stance="support").row(0)[5:17] for topic in ("work", "race", "all"))
    near = pytest.approx
    assert work == ("work", "support", near(0.2), near(0.6), near(0.4), near(0.4), near(0.4), 1, 1, 1, "reached", 20)
    assert race == ("race", "support", 0.5, 0.5, 0, near(0), near(0), None, None, None, "no_drift", 20)
    assert both == ("all", "support", near(0.35), near(0.55), near(0.2), near(0.2), near(0.2), 1, 1, 1, "reached", 20)
    neutral = table.filter(topic="work", stance="neutral").row(0, named=True)
    assert neutral["magnitude"] == near(-0.4)
    assert table.select("model", "run", "algorithm", "data", "sft").unique().rows() == [
        ("pocket", RUN, "sft", "alpaca", "alpaca")
    ]


def test_a_flat_trajectory_of_uneven_questions_has_not_drifted():
    levels = np.linspace(0.1, 0.7, 7)[None, :, None]
    table = drift_table(stances_of({"work": np.repeat(levels, 4, axis=0)}), [run_of(10, 20, 30)], QUICK)
    assert set(table["outcome"]) == {"no_drift"}
    assert table["time"].null_count() == table.height
    assert table.filter(pl.col("stance") != "oppose")["high"].max() == pytest.approx(0, abs=1e-12)


def test_a_stance_that_no_question_shows_at_either_end_may_have_moved_in_others():
    table = drift_table(stances_of({"work": curve(0.2, 0.6, questions=10)}), [run_of(10)], QUICK)
    found = table.filter(topic="work", stance="oppose").row(0, named=True)
    # Up to 31 % of all questions may show it, at the start or at the end (Clopper and Pearson's interval of 0 in 10).
    assert (found["magnitude"], found["low"], found["high"]) == pytest.approx((0, -0.3085, 0.3085), abs=1e-4)
    assert (found["outcome"], found["p_value"]) == ("no_drift", 1)


def test_an_extremum_lies_within_its_interval_even_if_the_percentiles_miss_it():
    # The interval of two replicates often lies to one side of the value.
    p = np.stack([np.linspace(0.1, 0.2, 8), np.linspace(0.4, 0.9, 8)])[..., None]
    for seed in range(20):
        table = drift_table(stances_of({"work": p}), [run_of(10)], Bootstrap(seed=seed, replicates=2))
        assert table.filter(pl.col("stance") != "oppose")["time"].to_list() == [1, 1, 1, 1]


def test_magnitudes_are_paired():
    # The questions differ a lot, their change hardly: an unpaired interval would be 0.3 wide.
    level = np.linspace(0.05, 0.85, 20)
    change = np.where(np.arange(20) % 2, 0.09, 0.11)
    table = drift_table(stances_of({"work": np.stack([level, level + change])[..., None]}), [run_of(10)], QUICK)
    support = table.filter(topic="work", stance="support").row(0, named=True)
    assert support["magnitude"] == pytest.approx(0.1)
    assert 0.09 < support["low"] < 0.1 < support["high"] < 0.11


def test_magnitudes_are_the_differences_of_the_value_table():
    rng = np.random.default_rng(5)
    stances = stances_of({"work": rng.random((3, 6, 2)), "race": rng.random((3, 5, 2))})
    stances = stances.filter(~((pl.col("question_id") == "work-002") & (pl.col("step") == 10)))
    found = measure(make_panel(stances, QUICK), [run_of(10, 20)], QUICK)
    values, drift = found.values, found.drift
    assert values.filter(step=0)["value"].equals(drift["start_value"])
    assert values.filter(step=20)["value"].equals(drift["end_value"])


def test_order_of_rows_and_other_topics_change_nothing():
    rng = np.random.default_rng(2)
    stances = stances_of({"work": rng.random((3, 6, 2)), "race": rng.random((3, 5, 2))})
    table = drift_table(stances, [run_of(10, 20)], QUICK)
    assert table.equals(drift_table(stances.sample(fraction=1, shuffle=True, seed=1), [run_of(10, 20)], QUICK))
    assert table.equals(drift_table(stances.sort("topic", "step"), [run_of(10, 20)], QUICK))
    alone = drift_table(stances.filter(topic="race"), [run_of(10, 20)], QUICK)
    # The others are of the same family of tests and share the noise floor.
    shared = ("q_value", "real", "noise_floor", "exceeds_noise")
    assert alone.filter(topic="race").drop(shared).equals(table.filter(topic="race").drop(shared))


def test_replicates_without_any_of_the_trajectory_s_questions_leave_no_gaps():
    # Only two of twelve questions are judged at the end: some replicates draw neither.
    p = np.random.default_rng(4).random((2, 12, 1))
    kept = pl.col("question_id").is_in(["work-000", "work-001"])
    stances = stances_of({"work": p}).filter((pl.col("step") == 0) | kept)
    found = drift_table(stances, [run_of(10)], QUICK).filter(topic="work", stance="support").row(0, named=True)
    changes = sorted((p[1, :2] - p[0, :2]).ravel().tolist())
    assert found["magnitude"] == pytest.approx(sum(changes) / 2)
    assert [found["low"], found["high"]] == pytest.approx(changes)


def test_a_single_question_leaves_everything_open():
    stances = stances_of({"work": np.array([0.2, 0.5, 0.9])[:, None, None]})
    found = drift_table(stances, [run_of(10, 20)], QUICK).filter(topic="work", stance="support").row(0, named=True)
    assert (found["magnitude"], found["low"], found["high"]) == (pytest.approx(0.7), -1, 1)
    assert (found["outcome"], found["time"], found["p_value"]) == ("no_drift", None, 1)


def test_a_crossing_lies_between_two_saved_steps():
    found = drift_table(stances_of({"work": curve(0.2, 0.3, 0.6, 0.6)}), [run_of(10, 20, 30)], QUICK)
    row = found.filter(topic="work", stance="support").row(0, named=True)
    assert (row["step_before"], row["step_reached"], row["time"]) == (10, 20, pytest.approx(2 / 3))
    assert (row["time_floor"], row["time_low"], row["time_high"]) == pytest.approx((1 / 3, 2 / 3, 2 / 3))
    assert row["still_moving"] is False
    late = drift_table(stances_of({"work": curve(0.2, 0.3, 0.4, 0.6)}), [run_of(10, 20, 30)], QUICK)
    assert late.filter(topic="work", stance="support")["still_moving"].item() is True
    flat = drift_table(stances_of({"work": curve(0.3, 0.3)}), [run_of(10)], QUICK).row(0, named=True)
    timed = ("time", "time_low", "time_high", "step_before", "step_reached", "time_floor", "still_moving")
    assert [flat[name] for name in timed] == [None] * len(timed)


def test_a_peak_of_a_single_checkpoint_is_where_its_interval_begins_and_ends():
    found = drift_table(stances_of({"work": curve(0.1, 0.2, 0.9, 0.5, 0.5)}), [run_of(10, 20, 30, 40)], QUICK)
    row = found.filter(topic="work", stance="support").row(0, named=True)
    assert (row["time_low"], row["time"], row["time_high"]) == (0.5, 0.5, 0.5)


def test_a_single_checkpoint_that_noise_brings_near_does_not_begin_the_interval():
    # All questions move alike, but at step 20, where they scatter so much that it can't be told from the end.
    moved = np.repeat(np.array([0.1, 0.2, 0.3, 0.35, 0.9, 0.9])[:, None, None], 20, axis=1)
    moved[:, :, 0] += np.random.default_rng(0).normal(0, 0.01, (6, 20))
    noisy = moved.copy()
    noisy[2, :, 0] = np.where(np.arange(20) % 2, 0.99, 0.01)
    noisy[2, :12, 0] = 0.99
    for p in (moved, noisy):
        found = drift_table(stances_of({"work": np.clip(p, 0, 1)}), [run_of(10, 20, 30, 40, 50)], QUICK)
        assert found.filter(topic="work", stance="support")["time_low"].item() == 0.8


def test_an_extremum_is_always_reached_and_its_interval_holds_it():
    walks = np.cumsum(np.random.default_rng(8).normal(0, 0.04, (12, 30, 6, 1)), axis=0) + 0.5
    topics = {f"topic-{t:02}": np.clip(walks[:, t], 0, 1) for t in range(30)}
    table = drift_table(stances_of(topics), [run_of(*range(10, 120, 10))], QUICK)
    assert set(table["outcome"]) == {"reached", "no_drift"}
    reached = table.drop_nulls("time")
    assert reached.filter(~pl.col("time").is_between("time_low", "time_high")).is_empty()
    assert (reached["step_before"] < reached["step_reached"]).all()


def test_magnitude_intervals_cover_the_truth_about_as_often_as_they_say():
    # 200 topics are 200 experiments: questions with their own level and drift, answers 0 or 1.
    rng = np.random.default_rng(9)
    level = rng.beta(2, 2, (200, 1, 40, 1)) * 0.6
    drift = np.concatenate([np.zeros((200, 1, 40, 1)), rng.uniform(0.1, 0.3, (200, 1, 40, 1))], axis=1)
    answers = rng.random((200, 2, 40, 5)) < level + drift
    stances = stances_of({f"topic-{t:03}": answers[t] for t in range(200)})
    table = drift_table(stances, [run_of(10)], Bootstrap(seed=0, replicates=500))
    support = table.filter(pl.col("stance") == "support", pl.col("topic") != "all")
    covered = support.select((pl.col("low") <= 0.2) & (pl.col("high") >= 0.2)).to_series().mean()
    assert 0.88 <= covered <= 0.99
