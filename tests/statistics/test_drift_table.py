import numpy as np
import polars as pl
import pytest
from stance_tables import RUN, measured, stance_table

from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.times import drift_times


def stances_of(support):
    """support: topic → P(support), (checkpoints, questions, samples); P(neutral) is the rest; steps 0, 10, 20…"""
    return stance_table(
        (RUN if c else "base", 10 * c, topic, f"{topic}-{q:03}", k, (float(p), 1 - float(p), 0.0))
        for topic, own in support.items()
        for (c, q, k), p in np.ndenumerate(own)
    )


def cell_of(values, *steps, topic="work", stance="support"):
    """A row of the drift table of `curve(*values)`, by its columns."""
    table = measured(stances_of({"work": values}), *steps).drift
    return table.filter(topic=topic, stance=stance).row(0, named=True)


def curve(*values, questions=4):
    """A topic on which all questions have the same value at each checkpoint, one answer each."""
    return np.repeat(np.array(values)[:, None, None], questions, axis=1)


NEARLY = 0.1 + 0.2  # a little more than 0.3
LAST = [0, 0, 0, 0.3]  # a margin at the last checkpoint only


@pytest.mark.parametrize(
    ("values", "below", "above", "step"),
    [
        ([0.1, 0.30, 0.47, 0.50], 0.05, 0.05, 20),  # rises: the first within 0.05 of 0.50
        ([0.9, 0.52, 0.47, 0.50], 0.05, 0.05, 10),  # falls: the low point is 0.47, 0.52 is within 0.05 of it
        ([0.1, 0.80, 0.20, 0.30], 0.05, 0.05, 10),  # rises overall: its peak counts, not its end
        ([0.5, 0.10, 0.60, 0.58], 0.05, 0.05, 20),  # dips first: the dip is against the net change
        ([0.3, 0.30, 0.30, 0.30], 0.05, 0.05, 0),  # flat
        ([0.3, 0.90, 0.10, 0.30], 0.05, 0.05, 0),  # ends where it began
        ([0.3, 0.32, 0.34, 0.35], 0.05, 0.05, 0),  # the start lies within the peak's interval
        ([0.1, 0.60, 0.60, 0.60], 0.05, 0.05, 10),  # tied peaks
        ([0.1, 0.20, 0.30, 0.90], 0.05, 0.05, 40),  # late
        ([0.1, 0.50], 0.05, 0.05, 10),  # a single checkpoint has drifted at its end
        ([0.1, 0.12], 0.05, 0.05, 0),  # … or not at all
        ([0.3, 0.2, NEARLY], 0, 0, 0),  # values that differ by rounding are equal
        ([0.3, 0.9, 0.1, NEARLY], 0.05, 0.05, 0),
        ([0.1, 0.3, NEARLY], 0, 0, 10),
        ([0.1, 0.3, 0.5], 0.01, 0.3, 20),  # the side of the interval that faces the start decides
        ([0.1, 0.3, 0.5], 0.3, 0.01, 10),
        ([0.9, 0.7, 0.5], 0.3, 0.01, 20),
        ([0.1, 0.3, 0.5, 0.5], LAST, LAST, 20),  # the margin is that of the earliest of tied extrema
        ([0.0, 0.1, 0.3, NEARLY], LAST, LAST, 20),
    ],
)
def test_drift_time_is_the_first_step_within_the_interval_of_the_extremum(values, below, above, step):
    steps = (0, 10, 20, 40)[: len(values)]
    margins = (np.broadcast_to(margin, len(values))[:, None] for margin in (below, above))
    assert drift_times(np.array(values)[:, None, None], *margins, steps).item() == step / steps[-1]


def test_a_drift_without_noise_is_exact():
    table = measured(stances_of({"work": curve(0.2, 0.5, 0.6), "race": curve(0.5, 0.5, 0.5)}), 10, 20).drift
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
    table = measured(stances_of({"work": np.repeat(levels, 4, axis=0)}), 10, 20, 30).drift
    assert set(table["outcome"]) == {"no_drift"}
    assert table["time"].null_count() == table.height
    assert table.filter(pl.col("stance") != "oppose")["high"].max() == pytest.approx(0, abs=1e-12)


def test_a_stance_that_no_question_shows_at_either_end_may_have_moved_in_others():
    found = cell_of(curve(0.2, 0.6, questions=10), 10, stance="oppose")
    # Up to 31 % of all questions may show it, at the start or at the end (Clopper and Pearson's interval of 0 in 10).
    assert (found["magnitude"], found["low"], found["high"]) == pytest.approx((0, -0.3085, 0.3085), abs=1e-4)
    assert (found["outcome"], found["p_value"]) == ("no_drift", 1)


def test_an_extremum_lies_within_its_interval_even_if_the_percentiles_miss_it():
    # The interval of two replicates often lies to one side of the value.
    p = np.stack([np.linspace(0.1, 0.2, 8), np.linspace(0.4, 0.9, 8)])[..., None]
    for seed in range(20):
        table = measured(stances_of({"work": p}), 10, bootstrap=Bootstrap(seed=seed, replicates=2)).drift
        assert table.filter(pl.col("stance") != "oppose")["time"].to_list() == [1, 1, 1, 1]


def test_magnitudes_are_paired():
    # The questions differ a lot, their change hardly: an unpaired interval would be 0.3 wide.
    level = np.linspace(0.05, 0.85, 20)
    change = np.where(np.arange(20) % 2, 0.09, 0.11)
    support = cell_of(np.stack([level, level + change])[..., None], 10)
    assert support["magnitude"] == pytest.approx(0.1)
    assert 0.09 < support["low"] < 0.1 < support["high"] < 0.11


def test_magnitudes_are_the_differences_of_the_value_table():
    rng = np.random.default_rng(5)
    stances = stances_of({"work": rng.random((3, 6, 2)), "race": rng.random((3, 5, 2))})
    stances = stances.filter(~((pl.col("question_id") == "work-002") & (pl.col("step") == 10)))
    found = measured(stances, 10, 20)
    values, drift = found.values, found.drift
    assert values.filter(step=0)["value"].equals(drift["start_value"])
    assert values.filter(step=20)["value"].equals(drift["end_value"])


def test_replicates_without_any_of_the_trajectory_s_questions_leave_no_gaps():
    # Only two of twelve questions are judged at the end: some replicates draw neither.
    p = np.random.default_rng(4).random((2, 12, 1))
    kept = pl.col("question_id").is_in(["work-000", "work-001"])
    stances = stances_of({"work": p}).filter((pl.col("step") == 0) | kept)
    found = measured(stances, 10).drift.filter(topic="work", stance="support").row(0, named=True)
    changes = sorted((p[1, :2] - p[0, :2]).ravel().tolist())
    assert found["magnitude"] == pytest.approx(sum(changes) / 2)
    assert [found["low"], found["high"]] == pytest.approx(changes)


def test_a_single_question_leaves_everything_open():
    found = cell_of(curve(0.2, 0.5, 0.9, questions=1), 10, 20)
    assert (found["magnitude"], found["low"], found["high"]) == (pytest.approx(0.7), -1, 1)
    assert (found["outcome"], found["time"], found["p_value"]) == ("no_drift", None, 1)


def test_a_crossing_lies_between_two_saved_steps():
    row = cell_of(curve(0.2, 0.3, 0.6, 0.6), 10, 20, 30)
    assert (row["step_before"], row["step_reached"], row["time"]) == (10, 20, pytest.approx(2 / 3))
    assert (row["time_floor"], row["time_low"], row["time_high"]) == pytest.approx((1 / 3, 2 / 3, 2 / 3))
    assert row["still_moving"] is False
    assert cell_of(curve(0.2, 0.3, 0.4, 0.6), 10, 20, 30)["still_moving"] is True
    flat = cell_of(curve(0.3, 0.3), 10)
    timed = ("time", "time_low", "time_high", "step_before", "step_reached", "time_floor", "still_moving")
    assert [flat[name] for name in timed] == [None] * len(timed)


def test_a_peak_of_a_single_checkpoint_is_where_its_interval_begins_and_ends():
    row = cell_of(curve(0.1, 0.2, 0.9, 0.5, 0.5), 10, 20, 30, 40)
    assert (row["time_low"], row["time"], row["time_high"]) == (0.5, 0.5, 0.5)


def test_a_single_checkpoint_that_noise_brings_near_does_not_begin_the_interval():
    # All questions move alike, but at step 20, where they scatter so much that it can't be told from the end.
    moved = np.repeat(np.array([0.1, 0.2, 0.3, 0.35, 0.9, 0.9])[:, None, None], 20, axis=1)
    moved[:, :, 0] += np.random.default_rng(0).normal(0, 0.01, (6, 20))
    noisy = moved.copy()
    noisy[2, :, 0] = np.where(np.arange(20) % 2, 0.99, 0.01)
    noisy[2, :12, 0] = 0.99
    for p in (moved, noisy):
        assert cell_of(np.clip(p, 0, 1), 10, 20, 30, 40, 50)["time_low"] == 0.8


def test_an_extremum_is_always_reached_and_its_interval_holds_it():
    walks = np.cumsum(np.random.default_rng(8).normal(0, 0.04, (12, 30, 6, 1)), axis=0) + 0.5
    topics = {f"topic-{t:02}": np.clip(walks[:, t], 0, 1) for t in range(30)}
    table = measured(stances_of(topics), *range(10, 120, 10)).drift
    assert set(table["outcome"]) == {"reached", "no_drift"}
    reached = table.drop_nulls("time")
    assert reached.filter(~pl.col("time").is_between("time_low", "time_high")).is_empty()
    assert (reached["step_before"] < reached["step_reached"]).all()
