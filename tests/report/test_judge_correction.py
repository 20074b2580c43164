"""What the report says of corrected drifts."""

from __future__ import annotations

import polars as pl
import pytest
from doubles.display import display
from doubles.report import DISPLAY, RUNS, corrected

from valuedrift.paper.drift_figures import estimates
from valuedrift.report.judge_correction import (
    agreement_lines,
    corrected_drifts,
    corrected_panels,
    kept_directions,
    refusals,
)
from valuedrift.report.words import estimate

DRIFT = corrected().drift


def test_a_refused_correction_is_not_drawn() -> None:
    own = pl.col("topic") == "all", pl.col("run") == RUNS[0]
    rows = estimates(DRIFT.filter(own))
    assert rows.group_by("shown").len().sort("shown").rows() == [("corrected", 3), ("raw", 3)]
    assert rows.filter(stance="support", shown="raw").row(0)[2:] == pytest.approx((0.53, 0.43, 0.63))
    assert set(estimates(corrected(None).drift.filter(own))["shown"]) == {"raw"}


@pytest.mark.parametrize(("value", "kept", "raw"), [(0.4, 2, 4), (-0.4, 2, 4), (0.1, 0, 4), (None, 0, 0)])
def test_a_direction_is_kept_on_the_same_side_of_zero_only(value: float | None, kept: int, raw: int) -> None:
    found = kept_directions(corrected(value).drift)
    expected = {"drifts": 6, "sure": 4, "corrected": 0 if value is None else 4, "kept": kept, "raw": raw}
    assert found == expected


def test_drifts_have_the_values_that_they_lead_between() -> None:
    lines = corrected_drifts(corrected(), DISPLAY)
    assert [(run, stance) for _, run, stance, *_ in lines[:4]] == [
        *((RUNS[0], stance) for stance in ("support", "neutral", "oppose")),
        (RUNS[1], "support"),
    ]
    assert [preferred for *_, preferred in lines[:3]] == ["corrected", "raw", "raw"]
    judged, found = (list(way.values()) for way in lines[1][3])
    assert judged == pytest.approx([-0.5, -0.6, -0.4, 0.8, 0.3])
    assert found == pytest.approx([0.4, 0.2, 0.6, 0.4, 0.4])


def test_reasons_of_refusals_are_told_once() -> None:
    assert refusals(corrected(None).drift) == ["run sft-wildchat: 2 labelled answers, 5 needed"]
    assert refusals(DRIFT) == []


def test_agreement_is_by_stage() -> None:
    lines = agreement_lines(corrected().agreement, DISPLAY)
    assert [stage for _, stage, _ in lines] == ["Base model", "SFT", "Preference optimisation"]
    found = lines[0][2]
    assert found["accuracy", "all"]["answers"] == 1234
    assert estimate(found["accuracy", "all"]) == "0.88 [0.80, 0.90]"
    assert estimate(found["recall", "oppose"]) == "—"


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
    assert {(ways[1]["magnitude"], preferred) for *_, ways, preferred in corrected_drifts(none, DISPLAY)} == {
        (None, None)
    }
