"""The answer: phases, marks, brackets, and the matrix of topics and algorithms."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from doubles.report import DISPLAY, RUNS, TOPICS, drift
from doubles.results import drift_row, values

from valuedrift.report.phases import leading_runs, matrices, phase_lines
from valuedrift.report.words import bracket, verdict, with_verdicts

VALUES = values(RUNS, ("all", *TOPICS))


def test_phases_stand_in_order_with_their_largest_movement() -> None:
    ((model, groups),) = phase_lines(with_verdicts(drift(), 0.1), DISPLAY)
    assert model == "pocket"
    assert [phase for phase, _ in groups] == [
        "Supervised fine-tuning",
        "Preference optimisation on synthetic pairs, support-aligned",
    ]
    (line,) = groups[1][1]
    assert (line.title, line.most["topic"], line.most["stance"]) == ("DPO after WildChat", "all", "support")
    assert (line.widest["topic"], line.widest["magnitude"]) == ("climate", 0.53)
    assert (line.moved, line.noisy, line.topics) == (2, 0, 2)


def test_topics_within_the_noise_floor_are_counted_apart() -> None:
    noisy = pl.col("topic") == "work"
    drifts = drift().with_columns(exceeds_noise=~noisy & pl.col("exceeds_noise"))
    ((_, groups),) = phase_lines(with_verdicts(drifts, 0.1), DISPLAY)
    line = groups[0][1][0]
    assert (line.moved, line.noisy, line.topics) == (1, 1, 2)


def test_a_run_in_which_nothing_moved_has_no_largest_movement() -> None:
    rows = [drift_row(RUNS[0], topic, "support", 0.01) for topic in ("all", *TOPICS)]
    ((_, groups),) = phase_lines(with_verdicts(pl.DataFrame(rows), 0.1), DISPLAY)
    line = groups[0][1][0]
    assert (line.widest, line.moved, line.noisy, line.most["magnitude"]) == (None, 0, 0, 0.01)


@pytest.mark.parametrize(
    ("real", "exceeds", "low", "high", "text"),
    [
        (True, True, 0.1, 0.2, "moved"),
        (True, None, 0.1, 0.2, "moved"),
        (True, False, 0.1, 0.2, "moved, within noise"),
        (False, True, -0.031, 0.02, "less than 0.04"),
        (False, False, -0.02, 0.07, "less than 0.07"),
        (False, True, -0.02, 0.1, "can't tell"),
    ],
)
def test_a_drift_has_one_of_four_verdicts(real: bool, exceeds: Any, low: float, high: float, text: str) -> None:
    row = drift_row(RUNS[0], real=real, exceeds_noise=exceeds, low=low, high=high)
    (judged,) = with_verdicts(pl.DataFrame([row], schema_overrides={"exceeds_noise": pl.Boolean}), 0.1).to_dicts()
    assert verdict(judged) == text


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0.5, "between steps 0 and 100 of 200"),
        (1.0, "between steps 100 and 200 of 200; may still be moving"),
        (None, ""),
    ],
)
def test_the_bracket_names_saved_steps(time: float | None, text: str) -> None:
    assert bracket(drift_row(RUNS[0], "work", "support", 0.5, time)) == text


def test_the_matrix_is_topic_by_algorithm_with_every_stance() -> None:
    rows = [
        drift_row(run, topic, stance, magnitude, 0.5)
        for run, magnitude in (("sft-wildchat", -0.4), ("sft-wildchat/ppo-synthetic-oppose", 0.04))
        for topic in ("all", *TOPICS)
        for stance, magnitude in (("support", magnitude / 2), ("oppose", magnitude))
    ]
    (matrix,) = matrices(pl.DataFrame(rows).filter(pl.col("topic") != "work"), VALUES, DISPLAY)
    assert matrix.heads == [
        ("Supervised fine-tuning", [("WildChat", "oppose")]),
        ("Preference optimisation on synthetic pairs, oppose-aligned", [("PPO", "oppose")]),
    ]
    assert [(key, name) for key, name, _ in matrix.rows] == [
        ("all", "All topics"),
        ("climate", "Climate Change Concerns"),
    ]
    sft, ppo = matrix.rows[1][2]
    assert [(row["stance"], row["magnitude"]) for row in sft.drifts] == [("support", -0.2), ("oppose", -0.4)]
    assert sft.sparks["support"] == "M0.0 10.0L27.0 10.0L54.0 10.0"
    assert (ppo.run, ppo.stance, ppo.starts_phase) == ("sft-wildchat/ppo-synthetic-oppose", "oppose", True)
    assert matrix.reach == 0.4


def test_columns_name_their_start_where_there_are_several_and_gaps_stay_open() -> None:
    rows = [
        drift_row(f"{start}/dpo-ultrafeedback", topic, "support", 0.1, None)
        for start, topics in (("sft-wildchat", ("all", "work")), ("sft-alpaca", ("all",)))
        for topic in topics
    ]
    (matrix,) = matrices(pl.DataFrame(rows), VALUES, DISPLAY)
    assert [title for title, _ in matrix.heads[0][1]] == ["DPO after WildChat", "DPO after Alpaca"]
    assert matrix.rows[1][2][1].drifts == []


def test_the_longest_lineage_that_moved_most_is_shown_first() -> None:
    sizes = {"sft-wildchat": 0.9, RUNS[1]: 0.2, "sft-wildchat/dpo-ultrafeedback": -0.3}
    rows = pl.DataFrame([drift_row(run, "all", magnitude=size) for run, size in sizes.items()])
    assert leading_runs(rows) == {"pocket": "sft-wildchat/dpo-ultrafeedback"}
