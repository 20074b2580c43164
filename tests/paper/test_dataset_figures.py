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
from valuedrift.paper.dataset_figures import expressed_shares, gap_histograms, gap_histograms_by_topic, predicted_drift
from valuedrift.paper.numbered_figures import draw_dataset_stances

DISPLAY = display(topics={name: TOPICS[name] for name in ("work", "climate")})
PAPER = DISPLAY.suites[0]
POCKET = DISPLAY.models["pocket"]


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
    assert [title for title, _ in titles(chart["hconcat"])] == ["WildChat", "Alpaca", "own"]
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
    names = [("UltraFeedback", "4 pairs"), ("synthetic pairs, support-aligned", "2 pairs")]
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


def test_histograms_by_topic_have_a_row_a_topic_and_a_panel_for_sets_without_pairs() -> None:
    gaps = GAPS.filter((pl.col("data") == "ultrafeedback") | (pl.col("topic") == "climate"))
    chart = gap_histograms_by_topic(gaps, PAPER, DISPLAY).to_dict()
    assert chart["columns"] == 2
    assert titles(chart["concat"]) == [
        ("Work and Attitudes", "UltraFeedback, 1 pairs"),
        ("Work and Attitudes", "synthetic pairs, support-aligned, 0 pairs"),
        ("Climate Change Concerns", "UltraFeedback, 3 pairs"),
        ("Climate Change Concerns", "synthetic pairs, support-aligned, 1 pairs"),
    ]
    assert len(chart["concat"][1]["layer"]) == 1  # no pair, no mean


def test_predictions_show_measured_drift_with_its_interval() -> None:
    chart = predicted_drift(PREDICTIONS, POCKET, DISPLAY).to_dict()
    (panel,) = chart["concat"]
    assert titles([panel]) == [("WildChat", "pocket")]
    drawn = [row for rows in chart["datasets"].values() for row in rows if "drift_low" in row]
    assert [(row["stance"], row["drift"]) for row in drawn] == list(zip(STANCES, (-0.2, 0.4, -0.2), strict=True))


@pytest.mark.parametrize(
    ("draw", "table", "whose"),
    [(expressed_shares, shares(("wildchat", "answer")), PAPER), (predicted_drift, PREDICTIONS, POCKET)],
)
def test_unknown_topics_are_refused(draw: Any, table: pl.DataFrame, whose: Any) -> None:
    with pytest.raises(DataError, match="sports"):
        draw(table.with_columns(topic=pl.lit("sports")), whose, DISPLAY)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_suites_figures_are_those_that_its_data_allows(tmp_path: Path) -> None:
    shares(("wildchat", "answer")).write_parquet(tmp_path / "shares.parquet")
    GAPS.clear().write_parquet(tmp_path / "gaps.parquet")
    entries = draw_dataset_stances(tmp_path, PAPER, DISPLAY, made(tmp_path / "answers"))
    assert [path.name for path in (tmp_path / "answers").iterdir()] == ["figure_19.svg"]
    assert [(entry.number, entry.status) for entry in entries] == [
        ("Figure 19", "made"),
        ("Figure 20", "missing: no row on the topics"),
    ]

    shares(("uf", "chosen")).write_parquet(tmp_path / "shares.parquet")
    GAPS.write_parquet(tmp_path / "gaps.parquet")
    draw_dataset_stances(tmp_path, PAPER, DISPLAY, made(tmp_path / "pairs"))
    assert sorted(path.name for path in (tmp_path / "pairs").iterdir()) == ["figure_20.svg", "figure_20_topics.svg"]
