"""Figures of what data sets express: what is drawn, in which order, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from doubles.display import TOPICS, display
from doubles.results import STANCES

from valuedrift.errors import DataError
from valuedrift.paper.dataset_figures import (
    expressed_shares,
    gap_histograms,
    gaps_by_topic,
    predicted_drift,
    prediction_reach,
)
from valuedrift.paper.numbered_figures import draw_dataset_stances

DISPLAY = display(topics={name: TOPICS[name] for name in ("work", "climate")})
PAPER = DISPLAY.suites[0]


def shares(*sets: tuple[str, str]) -> pl.DataFrame:
    """Shares of (data, role) on both topics and all."""
    return pl.DataFrame(
        [
            {"data": data, "role": role, "topic": topic, "stance": stance, "rows": 7}
            | {"share": share, "low": share - 0.1, "high": share + 0.1}
            for data, role in sets
            for topic in ("climate", "work", "all")
            for stance, share in zip(STANCES, (0.3, 0.5, 0.2), strict=True)
        ]
    )


GAPS = pl.DataFrame(
    {
        "data": ["synthetic-support"] * 2 + ["ultrafeedback"] * 4,
        "topic": ["climate", "work", "climate", "climate", "work", "climate"],
        "distance": [math.sqrt(2), 1.3, 0.0, 0.01, 0.02, 0.6],
    }
)
PREDICTIONS = pl.DataFrame(
    {"model": ["pocket"] * 3, "data": ["wildchat"] * 3, "topic": ["climate"] * 3, "stance": STANCES}
    | {"predicted_drift": [-0.1, 0.3, -0.2], "drift": [-0.2, 0.4, -0.2]}
    | {"drift_low": [-0.3, 0.3, -0.3], "drift_high": [-0.1, 0.5, -0.1]}
)


def titles(panels: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(panel["title"]["text"], panel["title"].get("subtitle", "")) for panel in panels]


def rows_of(chart: dict[str, Any], layer: dict[str, Any]) -> list[dict[str, Any]]:
    return chart["datasets"][layer["data"]["name"]]


def test_shares_have_a_panel_for_each_sft_set_in_the_configurations_order() -> None:
    table = shares(("own", "answer"), ("alpaca", "answer"), ("ultrafeedback", "chosen"), ("wildchat", "answer"))
    chart = expressed_shares(table, PAPER, DISPLAY).to_dict()
    assert [title for title, _ in titles(chart["hconcat"])] == ["(a) WildChat", "(b) Alpaca", "(c) own"]
    assert titles(chart["hconcat"])[0][1] == "7 rows on these topics"


def test_topics_stand_in_their_order_with_the_mean_first_and_every_share_is_drawn() -> None:
    chart = expressed_shares(shares(("wildchat", "answer")), PAPER, DISPLAY).to_dict()
    (panel,) = chart["hconcat"]
    bars, intervals, _ = panel["layer"]
    order = bars["encoding"]["y"]["sort"]
    assert order == ["All topics", "Work and Attitudes", "Climate Change Concerns"]
    (drawn,) = chart["datasets"].values()
    assert len(drawn) == 9
    assert intervals["encoding"]["x"]["field"] == "low"
    assert intervals["encoding"]["x2"]["field"] == "high"


def test_histograms_hold_every_pair_once_from_nothing_to_the_root_of_two() -> None:
    chart = gap_histograms(GAPS, PAPER).to_dict()
    names = [("(a) UltraFeedback", "4 pairs"), ("(b) synthetic pairs, support-aligned", "2 pairs")]
    assert titles(chart["concat"]) == names
    for panel, pairs in zip(chart["concat"], (4, 2), strict=True):
        bins = rows_of(chart, panel["layer"][0])
        assert sum(row["pairs"] for row in bins) == pairs
        assert sum(row["share"] for row in bins) == pytest.approx(1)
        assert (bins[0]["from"], bins[-1]["to"]) == (0, pytest.approx(math.sqrt(2)))
    near, far = (rows_of(chart, panel["layer"][0]) for panel in chart["concat"])
    assert near[0]["pairs"] == 3
    assert far[-1]["pairs"] == 1
    assert rows_of(chart, chart["concat"][0]["layer"][1])[0]["label"] == "mean 0.16"


def test_gaps_by_topic_have_a_panel_per_set_and_a_row_per_topic() -> None:
    gaps = GAPS.filter((pl.col("data") == "ultrafeedback") | (pl.col("topic") == "climate"))
    chart = gaps_by_topic(gaps, PAPER, DISPLAY).to_dict()
    assert [panel["title"] for panel in chart["concat"]] == [
        "(a) UltraFeedback",
        "(b) synthetic pairs, support-aligned",
    ]
    near, far = ([rows_of(chart, layer) for layer in panel["layer"]] for panel in chart["concat"])
    assert {row["topic"] for row in near[0]} == {"Work and Attitudes", "Climate Change Concerns"}
    assert sum(row["share"] for row in near[0] if row["topic"] == "Climate Change Concerns") == pytest.approx(1)
    assert [(row["topic"], row["from"]) for row in far[1]] == [("Climate Change Concerns", pytest.approx(math.sqrt(2)))]
    rows = chart["concat"][1]["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert rows == ["Work and Attitudes", "Climate Change Concerns"]  # also where the set has no pairs


def test_predictions_show_measured_drift_with_its_interval_on_the_given_scale() -> None:
    assert prediction_reach(PREDICTIONS) == 0.5
    chart = predicted_drift(PREDICTIONS, "WildChat", DISPLAY, 0.75).to_dict()
    drawn = [row for rows in chart["datasets"].values() for row in rows if "drift_low" in row]
    assert [(row["stance"], row["drift"]) for row in drawn] == list(zip(STANCES, (-0.2, 0.4, -0.2), strict=True))
    points = chart["layer"][-1]["encoding"]
    assert points["x"]["scale"]["domain"] == points["y"]["scale"]["domain"] == [-0.75, 0.75]


def test_unknown_topics_are_refused() -> None:
    with pytest.raises(DataError, match="sports"):
        expressed_shares(shares(("wildchat", "answer")).with_columns(topic=pl.lit("sports")), PAPER, DISPLAY)
    with pytest.raises(DataError, match="sports"):
        predicted_drift(PREDICTIONS.with_columns(topic=pl.lit("sports")), "WildChat", DISPLAY, 1)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_suites_figures_are_those_that_its_data_allows(tmp_path: Path) -> None:
    shares(("wildchat", "answer")).write_parquet(tmp_path / "shares.parquet")
    GAPS.clear().write_parquet(tmp_path / "gaps.parquet")
    entries = draw_dataset_stances(tmp_path, PAPER, DISPLAY, made(tmp_path / "answers"))
    assert [path.name for path in (tmp_path / "answers").glob("*.svg")] == ["figure_19.svg"]
    assert [(entry.number, entry.status) for entry in entries] == [
        ("Figure 19", "made"),
        ("Figure 20", "missing: no row on the topics"),
    ]

    shares(("uf", "chosen")).write_parquet(tmp_path / "shares.parquet")
    GAPS.write_parquet(tmp_path / "gaps.parquet")
    draw_dataset_stances(tmp_path, PAPER, DISPLAY, made(tmp_path / "pairs"))
    assert sorted(path.name for path in (tmp_path / "pairs").glob("*.svg")) == ["figure_20.svg", "figure_20_topics.svg"]
