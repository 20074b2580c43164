"""What the report says of corrected drifts."""

from __future__ import annotations

import polars as pl
import pytest
from doubles.display import display
from doubles.report import DISPLAY, RUNS, corrected

from valuedrift.paper.drift_figures import by_method
from valuedrift.report.judge_correction import (
    agreement_lines,
    corrected_lines,
    corrected_panels,
    kept_directions,
    refusals,
)

DRIFT = corrected().drift


def test_a_refused_correction_is_not_drawn() -> None:
    rows = by_method(DRIFT.filter(topic="all", run=RUNS[0]))
    assert rows.group_by("shown").len().sort("shown").rows() == [("prediction_powered", 3), ("raw", 3)]
    assert rows.filter(stance="support", shown="raw").row(0)[2:] == pytest.approx((0.53, 0.43, 0.63))


@pytest.mark.parametrize(("value", "kept"), [(0.4, 2), (-0.4, 2), (0.1, 0), (None, 0)])
def test_a_direction_is_kept_on_the_same_side_of_zero_only(value: float | None, kept: int) -> None:
    powered, confusion = kept_directions(corrected(value).drift)
    assert (powered.sure, powered.corrected, powered.kept) == (4, 0 if value is None else 4, kept)
    assert (confusion.sure, confusion.corrected, confusion.kept) == (4, 0, 0)


def test_drifts_are_shown_with_the_values_that_they_lead_between() -> None:
    lines = corrected_lines(corrected(), DISPLAY)
    assert [(line.run, line.stance) for line in lines[:4]] == [
        *(("SFT on WildChat", stance) for stance in ("support", "neutral", "oppose")),
        ("DPO on synthetic pairs, support-aligned", "support"),
    ]
    judged, powered, confusion = lines[1].cells
    assert judged == ("−0.50", "[−0.60, −0.40]", "0.80 → 0.30")
    assert powered == ("+0.40", "[+0.20, +0.60]", "0.40 → 0.40")
    assert confusion == ("—", "", "")


def test_reasons_of_refusals_are_told_once() -> None:
    assert refusals(DRIFT) == ["stage sft: too few labels"]
    assert refusals(DRIFT.filter(method="prediction_powered")) == []


def test_agreement_is_told_by_stage() -> None:
    lines = agreement_lines(corrected().agreement, DISPLAY)
    assert [line.stage for line in lines] == ["Base model", "SFT", "Preference optimisation"]
    assert (lines[0].labelled, lines[0].unlabelled, lines[0].accuracy) == ("1,234", "2.1 %", "0.88 [0.80, 0.90]")
    assert lines[0].recalls == ["0.70 [0.80, 0.90]", "0.60 [0.80, 0.90]", "—"]


def test_panels_tell_models_and_starts_apart() -> None:
    assert [panel.title for panel in corrected_panels(DRIFT, DISPLAY)] == [
        "SFT on WildChat",
        "DPO on synthetic pairs, support-aligned",
    ]
    other = DRIFT.with_columns(run=pl.col("run").str.replace("wildchat", "alpaca"))
    titles = [panel.title for panel in corrected_panels(pl.concat([DRIFT, other]), DISPLAY)]
    assert "DPO on synthetic pairs, support-aligned, after SFT on Alpaca" in titles
    two = pl.concat([DRIFT, DRIFT.with_columns(model=pl.lit("qwen3_4b"))])
    assert {panel.title.split(", ")[0] for panel in corrected_panels(two, display("pocket", "qwen3_4b"))} == {
        "pocket",
        "Qwen3 4B",
    }


def test_without_any_correction_judged_drifts_are_still_shown() -> None:
    none = corrected(None)
    assert len(corrected_panels(none.drift, DISPLAY)) == len(RUNS)
    assert {line.cells[1] for line in corrected_lines(none, DISPLAY)} == {("—", "", "")}
