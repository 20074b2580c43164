"""Planted stances are found again, and the commands write what they say."""

from __future__ import annotations

import json
import math
from pathlib import Path

import polars as pl
import pytest
from expression_rows import judged, pairs, sft, turns

from valuedrift.data.stances import EXPRESSION, RECOVERY
from valuedrift.data.stances.recovery import (
    gap_recovery,
    mean_errors,
    planted_judgements,
    retrieval_quality,
    share_recovery,
)
from valuedrift.data.stances.stance_shares import share_table
from valuedrift.data.stances.value_gaps import gap_summary, gap_table
from valuedrift.data.stances.write_tables import write_expression, write_recovery
from valuedrift.files import write_parquet
from valuedrift.statistics.bootstrap import Bootstrap

FEW = Bootstrap(replicates=200)
STANCES = ("support", "support", "neutral", "oppose")


@pytest.fixture
def world(tmp_path: Path) -> dict[str, list[Path]]:
    """An SFT set of four rows on each of two topics, and two pairs: one of style alone, one of stance."""
    rows = [
        {"id": f"{topic}{place}", "messages": turns("Q", "A"), "topic": topic, "true_stance": stance}
        for topic in ("climate", "work")
        for place, stance in enumerate(STANCES)
    ]
    planted = {"topic": ["work"] * 2, "chosen_stance": ["neutral", "support"], "rejected_stance": ["neutral", "oppose"]}
    prompts = [(turns("Q"), "warm", "curt"), (turns("Q"), "yes", "no")]
    return {
        "wildchat": [sft(tmp_path / "sft.parquet", rows)],
        "uf": [pairs(tmp_path / "uf.parquet", prompts, **planted)],
    }


def planted(world: dict[str, list[Path]]) -> pl.DataFrame:
    return pl.concat([planted_judgements(data, tables) for data, tables in world.items()])


def test_what_is_planted_is_measured_by_a_perfect_judge(world: dict[str, list[Path]]) -> None:
    truth = planted(world)
    shares = share_recovery(share_table(truth, FEW), truth)
    climate = shares.filter(pl.col("topic") == "climate").select("stance", "planted", "measured").rows()
    assert climate == [("support", 0.5, 0.5), ("neutral", 0.25, 0.25), ("oppose", 0.25, 0.25)]
    gaps = gap_recovery(gap_summary(gap_table(truth), FEW), truth)
    assert dict(gaps.filter(pl.col("topic") == "work").select("measure", "planted").iter_rows()) == {
        "mean": pytest.approx(math.sqrt(2) / 2),
        "median": pytest.approx(math.sqrt(2) / 2),
        "large": 0.5,
        "support": 0.5,
        "neutral": 0.0,
        "oppose": -0.5,
    }
    assert mean_errors(shares)["error"].to_list() == [0, 0, 0]
    assert set(mean_errors(gaps)["error"]) == {0}


def test_the_error_is_the_mean_distance_from_what_was_planted(world: dict[str, list[Path]]) -> None:
    truth = planted(world).filter(pl.col("data") == "wildchat")
    blind = truth.with_columns(p_support=pl.lit(1.0), p_neutral=pl.lit(0.0), p_oppose=pl.lit(0.0))
    (error,) = mean_errors(share_recovery(share_table(blind, FEW), truth)).to_dicts()
    expected = {"data": "wildchat", "role": "answer", "error": (0.5 + 0.25 + 0.25) / 3, "largest": 0.5, "numbers": 6}
    assert error == pytest.approx(expected)


def test_retrieval_is_clean_where_rows_are_found_for_their_own_topic_alone(world: dict[str, list[Path]]) -> None:
    lines = [{"row_id": row_id} for row_id in ("climate0", "climate1", "work0")]
    lines += [{"row_id": "work0", "topic": "work"}, {"data": "unplanted", "row_id": "x"}]
    found = judged([{**line, "p": "support"} for line in lines])
    quality = retrieval_quality(found, planted(world)).filter(data="wildchat").drop("data")
    assert quality.columns == ["topic", "rows", "found", "wrong", "coverage", "precision"]
    assert quality.rows() == [
        ("climate", 4, 2, 1, 0.5, pytest.approx(2 / 3)),
        ("work", 4, 1, 0, 0.25, 1.0),
        ("all", 8, 3, 1, 0.375, 0.75),
    ]


def test_tables_without_planted_columns_plant_nothing(tmp_path: Path) -> None:
    table = sft(tmp_path / "real.parquet", [{"messages": turns("Q", "A")}])
    assert planted_judgements("real", [table]).is_empty()


def test_commands_write_their_files(tmp_path: Path, world: dict[str, list[Path]]) -> None:
    files = []
    for data, tables in world.items():
        texts = {name: pl.lit("x") for name in ("question_id", "question", "answer")}
        table = planted_judgements(data, tables).with_columns(**texts, cosine=pl.lit(0.8), unassigned=pl.lit(0.0))
        write_parquet(tmp_path / data / "judged.parquet", table)
        files.append(tmp_path / data / "judged.parquet")
    out = tmp_path / "expression"
    write_expression(files, {"replicates": 200, "level": 0.95}, seed=0, examples=3, out=out)
    tables = {data: [str(path) for path in paths] for data, paths in world.items()}
    write_recovery(files, out, tables, out / "recovery")
    assert {path.name for path in out.iterdir() if path.is_file()} == set(EXPRESSION)
    assert {path.name for path in (out / "recovery").iterdir()} == set(RECOVERY)
    assert all(entry["error"] == 0 for entry in json.loads((out / "recovery" / "errors.json").read_text())["shares"])
