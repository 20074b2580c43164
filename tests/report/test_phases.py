"""The answer: phases, marks, brackets, and the matrix of topics and algorithms."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from doubles.report import DISPLAY, RUNS, TOPICS, drift
from doubles.results import drift_row

from valuedrift.report.phases import matrices, phase_lines
from valuedrift.report.words import bracket, certainty


def test_phases_stand_in_order_with_their_largest_movement() -> None:
    ((model, groups),) = phase_lines(drift(), DISPLAY)
    assert model == "pocket"
    assert [phase for phase, _ in groups] == [
        "Supervised fine-tuning",
        "Preference optimisation on synthetic pairs, support-aligned",
    ]
    (line,) = groups[1][1]
    assert (line.title, line.most["topic"], line.most["stance"]) == ("DPO after WildChat", "all", "support")
    assert (line.widest["topic"], line.widest["magnitude"]) == ("climate", 0.53)
    assert (line.real, line.beyond, line.topics) == (2, 2, 2)


def test_topics_within_the_noise_floor_are_counted_apart() -> None:
    noisy = pl.col("topic") == "work"
    ((_, groups),) = phase_lines(drift().with_columns(exceeds_noise=~noisy & pl.col("exceeds_noise")), DISPLAY)
    line = groups[0][1][0]
    assert (line.real, line.beyond, line.topics) == (2, 1, 2)


@pytest.mark.parametrize(
    ("real", "exceeds", "mark"),
    [(True, True, "real"), (True, None, "real"), (True, False, "noise"), (False, True, "open")],
)
def test_a_drift_is_certain_where_it_is_significant_and_beyond_noise(real: bool, exceeds: Any, mark: str) -> None:
    assert certainty({"real": real, "exceeds_noise": exceeds}) == mark


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


def test_the_matrix_is_topic_by_algorithm() -> None:
    rows = [
        drift_row(run, topic, stance, magnitude, 0.5)
        for run, magnitude in (("sft-wildchat", -0.4), ("sft-wildchat/ppo-synthetic-oppose", 0.04))
        for topic in ("all", *TOPICS)
        for stance in ("support", "oppose")
    ]
    (matrix,) = matrices(pl.DataFrame(rows).filter(pl.col("topic") != "work"), DISPLAY)
    assert matrix.heads == [
        ("Supervised fine-tuning", [("WildChat", "oppose")]),
        ("Preference optimisation on synthetic pairs, oppose-aligned", [("PPO", "oppose")]),
    ]
    assert [(place, topic) for place, topic, _ in matrix.rows] == [(-1, "All topics"), (0, "Climate Change Concerns")]
    assert [cell and cell["magnitude"] for cell in matrix.rows[1][2]] == [-0.4, 0.04]
    assert matrix.reach == 0.4


def test_columns_name_their_start_where_there_are_several_and_gaps_stay_open() -> None:
    rows = [
        drift_row(f"{start}/dpo-ultrafeedback", topic, "support", 0.1, None)
        for start, topics in (("sft-wildchat", ("all", "work")), ("sft-alpaca", ("all",)))
        for topic in topics
    ]
    (matrix,) = matrices(pl.DataFrame(rows), DISPLAY)
    assert [title for title, _ in matrix.heads[0][1]] == ["DPO after WildChat", "DPO after Alpaca"]
    assert matrix.rows[1][2][1] is None
