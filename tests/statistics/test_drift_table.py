import numpy as np
import polars as pl
import pytest
from scipy.optimize import isotonic_regression
from stance_tables import QUICK, RUN, measured, stance_table

from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import make_panel
from valuedrift.statistics.times import first_crossing, first_within
from valuedrift.statistics.trajectory import Trajectory


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


def curve(*values, questions=8, answers=400):
    """A topic on which all answers to all questions have the same value at each checkpoint.

    There are so many answers that the pseudo-questions, which change by one answer, don't widen the intervals.
    """
    return np.broadcast_to(np.array(values)[:, None, None], (len(values), questions, answers))


NEARLY = 0.1 + 0.2  # a little more than 0.3
LAST = [0, 0, 0, 0.3]  # a margin at the last checkpoint only


@pytest.mark.parametrize(
    ("values", "margin", "step"),
    [
        ([0.1, 0.30, 0.47, 0.50], 0.05, 20),  # rises: the first within 0.05 of 0.50
        ([0.9, 0.52, 0.47, 0.50], 0.05, 10),  # falls: the low point is 0.47, 0.52 is within 0.05 of it
        ([0.1, 0.80, 0.20, 0.30], 0.05, 10),  # rises overall: its peak counts, not its end
        ([0.5, 0.10, 0.60, 0.58], 0.05, 20),  # dips first: the dip is against the net change
        ([0.3, 0.30, 0.30, 0.30], 0.05, 0),  # flat
        ([0.3, 0.90, 0.10, 0.30], 0.05, 0),  # ends where it began
        ([0.3, 0.32, 0.34, 0.35], 0.05, 0),  # the start lies within the peak's interval
        ([0.1, 0.60, 0.60, 0.60], 0.05, 10),  # tied peaks
        ([0.1, 0.20, 0.30, 0.90], 0.05, 40),  # late
        ([0.1, 0.50], 0.05, 10),  # a single checkpoint has drifted at its end
        ([0.1, 0.12], 0.05, 0),  # … or not at all
        ([0.3, 0.2, NEARLY], 0, 0),  # values that differ by rounding are equal
        ([0.3, 0.9, 0.1, NEARLY], 0.05, 0),
        ([0.1, 0.3, NEARLY], 0, 10),
        ([0.1, 0.3, 0.5, 0.5], LAST, 20),  # the margin is that of the earliest of tied extrema
        ([0.0, 0.1, 0.3, NEARLY], LAST, 20),
    ],
)
def test_drift_time_is_the_first_step_within_the_margin_of_the_extremum(values, margin, step):
    steps = (0, 10, 20, 40)[: len(values)]
    margins = np.broadcast_to(margin, len(values))[:, None]
    assert steps[first_within(np.array(values)[:, None], margins).item()] == step


def isotonic_crossing(values, share):
    """Where scipy's isotonic fit crosses the share of the net change."""
    fit, level = isotonic_regression(values).x, values[0] + share * (values[-1] - values[0])
    after = int(np.argmax(fit >= level))
    return after - 1 + (level - fit[after - 1]) / (fit[after] - fit[after - 1])


def test_a_crossing_is_where_the_isotonic_fit_reaches_the_level():
    walks = np.cumsum(np.random.default_rng(0).normal(0.3, 1, (12, 300)), axis=0)
    rising = walks[:, walks[-1] > walks[0]]
    for share in (0.5, 0.9):
        expected = [isotonic_crossing(one, share) for one in rising.T]
        assert first_crossing(rising, share) == pytest.approx(expected)
    assert first_crossing(np.array([[0.1], [0.9]]), 0.5).item() == pytest.approx(0.5)
    assert first_crossing(np.array([[0.2], [0.8], [0.8], [0.8]]), 0.5).item() == pytest.approx(0.5)


def test_a_drift_without_noise_is_exact():
    table = measured(stances_of({"work": curve(0.2, 0.5, 0.6), "race": curve(0.5, 0.5, 0.5)}), 10, 20).drift
    work, race, both = (
        table.filter(topic=topic, stance="support").row(0, named=True) for topic in ("work", "race", "all")
    )
    names = ("start_value", "end_value", "magnitude", "low", "high")
    near = pytest.approx
    assert [work[name] for name in names] == near([0.2, 0.6, 0.4, 0.4, 0.4], abs=2e-3)
    assert [race[name] for name in names] == near([0.5, 0.5, 0, 0, 0], abs=2e-3)
    assert [both[name] for name in names] == near([0.35, 0.55, 0.2, 0.2, 0.2], abs=2e-3)
    assert [one["outcome"] for one in (work, race, both)] == ["reached", "unclear", "reached"]
    times = ("time", "t50", "t50_low", "t50_high", "t90")
    assert [work[name] for name in times] == near([1, 1 / 3, 1 / 3, 1 / 3, 0.8])
    assert [race[name] for name in times] == [None] * 5
    neutral = table.filter(topic="work", stance="neutral").row(0, named=True)
    assert neutral["magnitude"] == near(-0.4)
    assert table.select("model", "run", "algorithm", "data", "sft").unique().rows() == [
        ("pocket", RUN, "sft", "alpaca", "alpaca")
    ]


def test_a_flat_trajectory_of_uneven_questions_has_not_drifted():
    levels = np.linspace(0.1, 0.7, 7)[None, :, None]
    table = measured(stances_of({"work": np.broadcast_to(levels, (4, 7, 400))}), 10, 20, 30).drift
    assert set(table["outcome"]) == {"unclear"}
    assert table["time"].null_count() == table.height
    assert table.filter(pl.col("stance") != "oppose")["high"].max() == pytest.approx(0, abs=2e-3)


def test_a_stance_that_no_question_shows_at_either_end_may_have_moved_in_others():
    found = cell_of(curve(0.2, 0.6, questions=10), 10, stance="oppose")
    # Up to 31 % of all questions may show it, at the start or at the end (Clopper and Pearson's interval of 0 in 10).
    assert (found["magnitude"], found["low"], found["high"]) == pytest.approx((0, -0.3085, 0.3085), abs=1e-4)
    assert (found["outcome"], found["p_value"]) == ("unclear", 1)


def test_magnitudes_are_paired():
    # The questions differ a lot, their change hardly: an unpaired interval would be 0.3 wide.
    level = np.linspace(0.05, 0.85, 20)
    change = np.where(np.arange(20) % 2, 0.09, 0.11)
    support = cell_of(np.repeat(np.stack([level, level + change])[..., None], 400, axis=2), 10)
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
    assert found["low"] <= changes[0]
    assert found["high"] >= changes[1]


def test_a_single_question_leaves_everything_open():
    found = cell_of(curve(0.2, 0.5, 0.9, questions=1), 10, 20)
    assert (found["magnitude"], found["low"], found["high"]) == (pytest.approx(0.7), -1, 1)
    assert (found["outcome"], found["time"], found["p_value"], found["error"]) == ("unclear", None, 1, None)


def test_a_drift_time_lies_between_two_saved_steps():
    row = cell_of(curve(0.2, 0.3, 0.6, 0.6), 10, 20, 30)
    assert (row["step_before"], row["step_reached"], row["time"]) == (10, 20, pytest.approx(2 / 3))
    assert row["still_moving"] is False
    assert cell_of(curve(0.2, 0.3, 0.4, 0.6), 10, 20, 30)["still_moving"] is True
    flat = cell_of(curve(0.3, 0.3), 10)
    timed = ("time", "step_before", "step_reached", "still_moving", "t50", "t50_low", "t90_high")
    assert [flat[name] for name in timed] == [None] * len(timed)


def test_times_are_shares_of_steps_though_these_are_uneven():
    steps = {10: 10, 20: 40, 30: 80}
    stances = stances_of({"work": curve(0.2, 0.4, 0.6, 0.6)}).with_columns(pl.col("step").replace(steps))
    row = measured(stances, 10, 40, 80).drift.filter(topic="work", stance="support").row(0, named=True)
    assert (row["t50"], row["time"]) == pytest.approx((1 / 8, 0.5))
    assert row["t90"] == pytest.approx((10 + 0.8 * 30) / 80)


def test_a_real_drift_whose_start_is_within_the_margin_has_no_drift_time_but_crossings():
    # The questions differ a lot, so that a value is uncertain; their change hardly does, so that it is certain.
    level = np.linspace(0.05, 0.85, 20)
    row = cell_of(np.repeat(np.stack([level, level + 0.05, level + 0.1])[..., None], 400, axis=2), 10, 20)
    assert (row["real"], row["outcome"], row["time"]) == (True, "no_drift", None)
    assert row["t50"] == pytest.approx(0.5)


def test_the_interval_of_a_crossing_holds_it_and_is_wide_where_the_trajectory_is_noisy():
    walks = (
        np.random.default_rng(8).normal(0, 0.2, (6, 20, 4)) + np.array([0.2, 0.3, 0.5, 0.6, 0.7, 0.7])[:, None, None]
    )
    noisy = cell_of(np.clip(walks, 0, 1), 10, 20, 30, 40, 50)
    still = cell_of(curve(0.2, 0.3, 0.5, 0.6, 0.7, 0.7), 10, 20, 30, 40, 50)
    for name in ("t50", "t90"):
        assert noisy[f"{name}_low"] < noisy[name] < noisy[f"{name}_high"]
        assert still[f"{name}_low"] == pytest.approx(still[f"{name}_high"])


def test_a_stage_that_starts_at_its_own_first_checkpoint_is_timed_from_there():
    values = curve(0.1, 0.3, 0.6, 0.6)
    table = stances_of({"work": values}).with_columns(step=pl.col("step") * 10 + 1000, run=pl.lit("found"))
    found = measure(
        make_panel(table, QUICK), [Trajectory("found", "found", "", "found", "found", 1000, (1100, 1200, 1300))], QUICK
    )
    row = found.drift.filter(topic="work", stance="support").row(0, named=True)
    own = cell_of(values, 10, 20, 30)
    assert {key: row[key] for key in ("magnitude", "time", "t50", "t90")} == {
        key: own[key] for key in ("magnitude", "time", "t50", "t90")
    }
    assert (row["step_before"], row["step_reached"], row["end_step"]) == (1100, 1200, 1300)
    assert found.values["step"].unique(maintain_order=True).to_list() == [1000, 1100, 1200, 1300]
