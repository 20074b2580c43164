"""The answer: phases, marks, brackets, and the matrix of topics and algorithms."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from doubles.report import DISPLAY, RUNS, TOPICS, drift, drift_row

from valuedrift.report.phases import bracket_text, certainty, matrices, phase_lines


def test_phases_stand_in_order_with_their_largest_movement() -> None:
    (table,) = phase_lines(drift(), DISPLAY)
    assert [phase for phase, _ in table.groups] == [
        "Supervised fine-tuning",
        "Preference optimisation on synthetic pairs, support-aligned",
    ]
    (line,) = table.groups[1][1]
    assert (line.title, line.stance, line.magnitude, line.mark) == ("DPO after WildChat", "support", "+0.53", "real")
    assert (line.when, line.when_interval, line.bracket) == ("0.50", "[0.50, 0.50]", "between steps 0 and 100 of 200")
    assert (line.real, line.beyond, line.topics) == (2, 2, 2)
    assert line.widest == "Climate Change Concerns: support +0.53"


def test_topics_within_the_noise_floor_are_counted_apart() -> None:
    noisy = pl.col("topic") == "work"
    (table,) = phase_lines(drift().with_columns(exceeds_noise=~noisy & pl.col("exceeds_noise")), DISPLAY)
    line = table.groups[0][1][0]
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
    assert bracket_text(drift_row(RUNS[0], "work", "support", 0.5, time)) == text


def test_the_matrix_is_topic_by_algorithm() -> None:
    rows = [
        drift_row(run, topic, stance, magnitude, 0.5)
        for run, magnitude in (("sft-wildchat", -0.4), ("sft-wildchat/ppo-synthetic-oppose", 0.04))
        for topic in ("all", *TOPICS)
        for stance in ("support", "oppose")
    ]
    (matrix,) = matrices(pl.DataFrame(rows).filter(pl.col("topic") != "work"), DISPLAY)
    assert [(phase, [column.title for column in columns]) for phase, columns in matrix.heads] == [
        ("Supervised fine-tuning", ["WildChat"]),
        ("Preference optimisation on synthetic pairs, oppose-aligned", ["PPO"]),
    ]
    assert [topic for topic, _ in matrix.rows] == ["All topics", "Climate Change Concerns"]
    sft, ppo = (cell for cell in matrix.rows[1][1] if cell is not None)
    assert (sft.magnitude, sft.rose, sft.strength, sft.mark, sft.topic) == ("−0.40", False, 10, "real", 0)
    assert (ppo.magnitude, ppo.rose, ppo.strength, ppo.mark) == ("+0.04", True, 1, "open")


def test_columns_name_their_start_where_there_are_several_and_gaps_stay_open() -> None:
    rows = [
        drift_row(f"{start}/dpo-ultrafeedback", topic, "support", 0.1, None)
        for start, topics in (("sft-wildchat", ("all", "work")), ("sft-alpaca", ("all",)))
        for topic in topics
    ]
    (matrix,) = matrices(pl.DataFrame(rows), DISPLAY)
    assert [column.title for column in matrix.heads[0][1]] == ["DPO after WildChat", "DPO after Alpaca"]
    assert matrix.rows[1][1][1] is None
