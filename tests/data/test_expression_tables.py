"""Shares, gaps and nearest examples of judged answers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from expression_rows import judged

from valuedrift.data.stances.judged_rows import read_judged, row_means
from valuedrift.data.stances.nearest_examples import movers, nearest_examples
from valuedrift.data.stances.stance_shares import share_table
from valuedrift.data.stances.value_gaps import gap_summary, gap_table
from valuedrift.errors import ArtifactError
from valuedrift.statistics.bootstrap import Bootstrap

FEW = Bootstrap(replicates=500)


def one(table: pl.DataFrame, **where: str) -> dict[str, Any]:
    (row,) = table.filter(*(pl.col(name) == value for name, value in where.items())).to_dicts()
    return row


def pair(
    row_id: str, chosen: object, rejected: object, topic: str = "climate", data: str = "uf"
) -> list[dict[str, Any]]:
    shared = {"row_id": row_id, "topic": topic, "data": data}
    return [{**shared, "role": "chosen", "p": chosen}, {**shared, "role": "rejected", "p": rejected}]


def test_shares_are_mean_probabilities_per_topic_and_over_all_answers() -> None:
    lines = [{"p": (0.6, 0.3, 0.1)}, {"p": (0.2, 0.7, 0.1)}, {"p": "support"}, {"topic": "work", "p": "oppose"}]
    table = share_table(judged(lines), FEW)
    climate = one(table, topic="climate", stance="support")
    assert (climate["share"], climate["classified"], climate["rows"]) == (pytest.approx(0.6), pytest.approx(2 / 3), 3)
    assert one(table, topic="all", stance="oppose")["share"] == pytest.approx((0.1 + 0.1 + 1) / 4)
    totals = table.group_by("topic").agg(pl.col("share").sum())
    assert totals["share"].to_list() == pytest.approx([1] * 3)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held = []
    for trial in range(120):
        support = rng.random(80) < 0.3
        lines = [{"row_id": f"{trial}-{place}", "p": "support" if s else "oppose"} for place, s in enumerate(support)]
        row = one(share_table(judged(lines), FEW), topic="climate", stance="support")
        held.append(row["low"] <= 0.3 <= row["high"])
    assert 0.88 <= np.mean(held) <= 0.99


def test_a_row_on_two_topics_is_resampled_as_one() -> None:
    """Twice the lines of the same rows say nothing more: "all" is as uncertain as one topic."""
    once = [{"row_id": f"r{place}", "p": "support" if place % 3 else "oppose"} for place in range(60)]
    table = share_table(judged([*once, *({**line, "topic": "work"} for line in once)]), Bootstrap(replicates=4000))
    widths = {row["topic"]: row["high"] - row["low"] for row in table.filter(pl.col("stance") == "support").to_dicts()}
    assert widths["all"] == pytest.approx(widths["climate"], rel=0.15)


def test_many_rows_in_groups_have_the_interval_of_a_mean() -> None:
    rng = np.random.default_rng(1)
    table = pl.DataFrame({"row_id": [f"{place:08x}" for place in rng.permutation(5000)], "x": rng.random(5000)})
    (value,), (low,), (high,) = row_means(table, ["x"], "climate", Bootstrap(replicates=4000))
    expected = 2 * 1.96 * math.sqrt(1 / 12 / 5000)
    assert value == pytest.approx(table["x"].mean())
    assert high - low == pytest.approx(expected, rel=0.15)


def test_answers_without_a_judgement_are_left_out_and_unassigned_probability_is_shown() -> None:
    lines = judged([{"p": "support"}, {"p": "oppose"}, {"p": (None, None, None)}])
    table = share_table(lines.with_columns(unassigned=pl.Series([0.1, 0.3, 1.0])), FEW)
    assert one(table, topic="climate", stance="support")["share"] == 0.5
    assert set(table["rows"]) == {2}
    assert table["unassigned"].to_list() == pytest.approx([0.2] * table.height)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ({"p": (0.9, 0.9, 0.9)}, "sum to 1"),
        ({"p": (math.nan, 0.5, 0.5)}, "sum to 1"),
        ({"p": "support", "topic": "all"}, "another name"),
    ],
)
def test_tables_that_are_not_judged_answers_are_refused(tmp_path: Path, line: dict[str, Any], word: str) -> None:
    judged([line]).with_columns(unassigned=0.0).write_parquet(tmp_path / "judged.parquet")
    with pytest.raises(ArtifactError, match=word):
        read_judged([tmp_path / "judged.parquet"])


def test_distance_goes_from_none_to_the_root_of_two_and_differences_are_signed() -> None:
    lines = [*pair("a", "support", "oppose"), *pair("b", (0.5, 0.5, 0), (0.5, 0.5, 0))]
    lines += pair("c", "neutral", "support")
    gaps = gap_table(judged(lines))
    assert gaps["distance"].to_list() == pytest.approx([math.sqrt(2), 0, math.sqrt(2)])
    assert gaps.select("support", "neutral", "oppose").rows() == [(1, 0, -1), (0, 0, 0), (-1, 1, 0)]


def test_a_pair_counts_on_each_of_its_topics_and_lone_answers_on_none() -> None:
    lines = [*pair("a", "support", "oppose"), *pair("a", "support", "support", topic="work")]
    lines += [*pair("b", "support", (None, None, None)), {"data": "wildchat", "p": "support"}]
    assert gap_table(judged(lines)).select("row_id", "topic", "distance").rows() == [
        ("a", "climate", math.sqrt(2)),
        ("a", "work", 0),
    ]


def test_summary_of_gaps() -> None:
    lines = [*pair("a", "support", "oppose"), *pair("b", "oppose", "oppose"), *pair("c", (0.8, 0.2, 0), (0.2, 0.8, 0))]
    summary = gap_summary(gap_table(judged(lines)), FEW)
    rows = {row["measure"]: row for row in summary.filter(topic="all").to_dicts()}
    near = 0.6 * math.sqrt(2)
    expected = {"mean": (math.sqrt(2) + near) / 3, "median": near, "large": 1 / 3, "support": 1.6 / 3, "oppose": -1 / 3}
    assert {name: rows[name]["value"] for name in expected} == pytest.approx(expected)
    assert rows["support"]["low"] < rows["support"]["value"] < rows["support"]["high"]
    assert rows["median"]["low"] is None
    assert set(summary["pairs"]) == {3}


def test_no_pairs_give_empty_tables() -> None:
    gaps = gap_table(judged([{"p": "support"}]))
    assert gaps.is_empty()
    assert gap_summary(gaps, FEW).is_empty()


def test_nearest_examples_are_ranked_within_their_stance_and_repeat_no_question() -> None:
    lines = [
        {"cosine": 0.7, "question": "Q1", "p": (0.6, 0.4, 0.0)},
        {"cosine": 0.7, "question": "Q1", "answer": "clear", "p": "support"},
        {"cosine": 0.9, "question": "Q2", "p": "support"},
        {"cosine": 0.8, "question": "Q3", "p": "oppose"},
        {"cosine": 0.6, "question": "Q4", "p": "support"},
    ]
    found = nearest_examples(judged(lines), count=2)
    assert found.select("stance", "rank", "question", "examples").rows() == [
        ("oppose", 1, "Q3", 1),
        ("support", 1, "Q2", 4),
        ("support", 2, "Q1", 4),
    ]
    assert one(found, question="Q1")["answer"] == "clear"


def test_movers_are_the_data_of_the_stance_that_rose_most() -> None:
    def moved(run: str, data: str, topic: str, *magnitudes: float) -> list[dict[str, Any]]:
        shared = {"model": "m", "run": run, "data": data, "topic": topic, "start_value": 0.3, "end_value": 0.4}
        stances = zip(("support", "neutral", "oppose"), magnitudes, strict=True)
        return [{**shared, "stance": stance, "magnitude": m, "low": m - 0.1, "high": m + 0.1} for stance, m in stances]

    drift = pl.DataFrame(
        [
            *moved("sft-wildchat", "wildchat", "climate", -0.1, 0.4, -0.3),
            *moved("sft-wildchat", "wildchat", "all", 0.9, -0.4, -0.5),
            *moved("sft-wildchat/dpo-uf", "uf", "climate", 0.2, -0.1, -0.1),
            *moved("sft-alpaca", "alpaca", "climate", 0.2, -0.1, -0.1),
        ]
    )
    lines = [{"p": "neutral", "question": "Sure?"}, {"p": "support"}, *pair("a", "support", "oppose")]
    lines += pair("b", "oppose", "support")
    found = movers(nearest_examples(judged(lines)), drift)
    assert found.select("run", "topic", "stance", "row_id").rows() == [
        ("sft-alpaca", "climate", "support", None),
        ("sft-wildchat", "climate", "neutral", "0000000000000000"),
        ("sft-wildchat/dpo-uf", "climate", "support", "a"),
    ]
