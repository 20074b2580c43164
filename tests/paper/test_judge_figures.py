"""Charts of a judge's quality and of a change of judge."""

from __future__ import annotations

import json
from itertools import product

import polars as pl
import pytest

from valuedrift.paper.chart_files import save_chart
from valuedrift.paper.judge_figures import bridge_figure, calibration_figure, quality_figure

JUDGES = ("gpt", "qwen <b>", "human")
LABELS = {3: ("support", "neutral", "oppose"), 4: ("pro", "neutral", "con", "refusal")}


def scores(kappa: float | None = 0.6) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"judge": judge, "labels": labels, "measure": measure, "value": value, "low": value, "high": value}
            for judge in JUDGES
            for labels in LABELS
            for measure, value in (("accuracy", 0.8), ("macro_f1", 0.7), ("weighted_f1", 0.75), ("kappa", kappa))
        ]
    )


CONFUSIONS = pl.DataFrame(
    [
        {"judge": judge, "labels": size, "truth": truth, "found": found, "answers": 0 if truth == "refusal" else 5}
        for judge in JUDGES
        for size, labels in LABELS.items()
        for truth in labels
        for found in labels
    ]
)
CALIBRATION = pl.DataFrame(
    [
        {"judge": "qwen", "stance": stance, "bin": place, "answers": 5 + place}
        | {"predicted": place / 10 + 0.05, "observed": place / 10, "low": 0.0, "high": 1.0}
        for stance in LABELS[3]
        for place in (0, 9)
    ]
)
VALUES = pl.DataFrame(
    [
        {"model": "m", "stage": stage, "topic": topic, "stance": stance, "shift": 0.1, "low": 0.05, "high": 0.2}
        for stage, topic, stance in product(("base", "sft", "dpo"), ("work", "all"), LABELS[3])
    ]
)
DRIFT = pl.DataFrame(
    [
        {"run": "sft-w", "topic": "work", "stance": stance, "old": 0.3, "old_low": 0.2, "old_high": 0.4}
        | {"new": 0.1, "new_low": 0.0, "new_high": 0.2}
        for stance in LABELS[3]
    ]
)


def test_the_confusion_matrices_are_those_over_four_labels():
    spec = quality_figure(scores(), CONFUSIONS).to_dict()
    grids = spec["vconcat"][1]["concat"]
    assert [grid["title"] for grid in grids] == list(JUDGES)
    rows = spec["datasets"][grids[0]["data"]["name"] if "data" in grids[0] else grids[0]["layer"][0]["data"]["name"]]
    assert len(rows) == 16
    assert {row["truth"] for row in rows} == set(LABELS[4])
    assert {row["share"] for row in rows} == {0, 0.25}  # an empty row of truth has no shares


def test_a_negative_or_undefined_kappa_is_drawn_within_the_axis():
    assert '"domain": [-0.2, 1]' in json.dumps(quality_figure(scores(-0.2), CONFUSIONS).to_dict())
    assert '"domain": [0.0, 1]' in json.dumps(quality_figure(scores(None), CONFUSIONS).to_dict())


def test_a_panel_for_each_stage_and_one_for_drifts():
    titles = [panel["title"] for panel in bridge_figure(VALUES, DRIFT).to_dict()["concat"]]
    assert titles == ["(a) m, base", "(b) m, sft", "(c) m, dpo", "(d) Drift of each run and topic"]
    assert len(bridge_figure(VALUES, DRIFT.clear()).to_dict()["concat"]) == 3


@pytest.mark.parametrize(
    "chart", [quality_figure(scores(), CONFUSIONS), calibration_figure(CALIBRATION), bridge_figure(VALUES, DRIFT)]
)
def test_every_figure_can_be_drawn(tmp_path, chart):
    (path,) = save_chart(chart, tmp_path / "figure", ["svg"])
    svg = path.read_text(encoding="utf-8")
    assert svg.startswith("<svg")
    assert "<b>" not in svg
