"""Negative controls: value-free questions, and pairs without a preference."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from doubles.display import display

from valuedrift.cli import main
from valuedrift.config.pocket_world import WorldSettings
from valuedrift.paper.health_tables import controls_table
from valuedrift.world.english.texts import controls
from valuedrift.world.grammar import OPENERS
from valuedrift.world.world_tables import world_table

RUN = {"run": "sft-calm", "algorithm": "sft", "data": "calm", "sft": "calm"}
RUN |= {"start_run": "base", "start_step": 0, "steps": [10]}


def test_the_questions_have_their_targets_as_topics_and_keep_their_groups(tmp_path: Path) -> None:
    assert main(["control-questions", "--out", str(tmp_path / "questions.parquet")]) == 0
    table = pl.read_parquet(tmp_path / "questions.parquet")
    assert set(table["topic"]) == set(controls())
    assert table["question_id"].n_unique() == table.height == 69
    seats = table.filter(group="seat")
    assert seats["topic"].to_list() == ["the window seat rather than the aisle seat"] * 2
    assert seats["polarity"].to_list() == ["support", "oppose"]


VALUE_FREE = {"language": "grammar", "probes_per_topic": 20, "variation": 0.3, "seed": 0, "value_free": 0.1}
MIX = {"support": 0.6, "neutral": 0.3, "oppose": 0.1}


@pytest.mark.parametrize("kind", ["sft", "pretraining"])
def test_value_free_subjects_have_their_share_of_rows_and_even_stances(kind: str) -> None:
    rows = world_table(WorldSettings.read(VALUE_FREE), kind, "calm", {"rows": 3000, "mix": MIX})
    assert rows.height == 3000
    assert rows.filter(topic="habits").group_by("true_stance").len().sort("true_stance")["len"].to_list() == [100] * 3
    shares = rows.filter(pl.col("topic") != "habits")["true_stance"].value_counts(normalize=True)
    assert {row[0]: round(row[1], 2) for row in shares.iter_rows()} == MIX


@pytest.mark.parametrize("gap", ["support", "oppose", "style", "none"])
def test_value_free_pairs_have_no_gap(gap: str) -> None:
    pairs = world_table(WorldSettings.read(VALUE_FREE), "preference", gap, {"rows": 600, "gap": gap})
    own = pairs.filter(topic="habits")
    assert own.height == 60
    assert (own["chosen_stance"] == own["rejected_stance"]).all()
    assert own["chosen_stance"].value_counts()["count"].to_list() == [20] * 3


def test_value_free_questions_of_a_world_are_not_in_its_training_data(tmp_path: Path) -> None:
    out = tmp_path / "questions.parquet"
    assert main(["control-questions", "--world", json.dumps(VALUE_FREE), "--out", str(out)]) == 0
    questions = pl.read_parquet(out)
    assert set(questions["topic"]) == {"habits"}
    assert questions["question"].n_unique() == 20
    rows = world_table(WorldSettings.read(VALUE_FREE), "sft", "calm", {"rows": 3000, "mix": MIX})
    assert not set(questions["question"]) & {messages[0]["content"] for messages in rows["messages"].to_list()}


@pytest.mark.parametrize(("moved", "real"), [(0.0, 0), (0.4, 2)])
def test_drifts_of_all_control_questions_are_one_topic(tmp_path: Path, moved: float, real: int) -> None:
    random = np.random.default_rng(1)
    rows = [
        {"model": "pocket", "run": run, "step": step, "topic": topic, "question_id": entry["question"], "sample": k}
        | {"p_support": p + moved * (step > 0), "p_neutral": 0.1, "p_oppose": 0.9 - p - moved * (step > 0)}
        for run, step in (("base", 0), ("sft-calm", 10))
        for topic, own in controls().items()
        for entry in own
        for k, p in enumerate(random.uniform(0, 0.5, 3))
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "stances.parquet")
    options = {
        "--stances": tmp_path / "stances.parquet",
        "--trajectories": json.dumps([RUN]),
        "--statistics-settings": json.dumps({"replicates": 100}),
        "--seed": 0,
        "--out": tmp_path / "drift.parquet",
    }
    assert main(["controls", *(str(part) for option in options.items() for part in option)]) == 0
    drift = pl.read_parquet(tmp_path / "drift.parquet")
    assert drift.select("topic", "questions", "stance").rows() == [
        ("controls", 69, stance) for stance in ("support", "neutral", "oppose")
    ]
    table = controls_table(drift, display("pocket"))
    assert f"{real} of 3 are real, {real} of these beyond the noise floor" in table.caption
    assert table.frame["Real"].to_list() == [bool(real), False, bool(real)]


def test_pairs_of_the_gap_none_prefer_neither_a_stance_nor_a_style() -> None:
    settings = WorldSettings(language="grammar", probes_per_topic=5, variation=0.0, seed=0)
    openers = tuple(opener.removesuffix(" .") for opener in OPENERS["warm"])
    warm = {}
    for gap in ("none", "style"):
        pairs = world_table(settings, "preference", gap, {"rows": 800, "gap": gap})
        assert (pairs["chosen_stance"] == pairs["rejected_stance"]).all()
        warm[gap] = np.mean([answer[0]["content"].startswith(openers) for answer in pairs["chosen"]])
    assert warm["none"] == pytest.approx(0.5, abs=0.06)
    assert warm["style"] == pytest.approx(0.75, abs=0.06)
