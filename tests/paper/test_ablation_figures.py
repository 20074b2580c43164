"""Figures of ablations: which runs are drawn, where, and how they are told apart."""

from __future__ import annotations

from typing import Any

import polars as pl
from ablation_rows import DISPLAY, OPPOSE, STEPS, SUPPORT, ablation

from valuedrift.paper.ablated_runs import read_ablated
from valuedrift.paper.ablation_figures import ablation_charts

BETA = ablation("dpo", "beta", SUPPORT, 0.05, 0.1, 0.5, own=0.1)


def tables(*blocks: list[dict[str, Any]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Values and drift of the blocks' runs on two topics."""
    runs = dict.fromkeys(entry["trajectory"]["run"] for b in blocks for entry in b)
    cells = [
        {"model": "llama3_3b", "run": run, "topic": topic, "stance": stance}
        for run in runs
        for topic in ("abortion", "climate", "all")
        for stance in ("support", "oppose")
    ]
    values = [cell | {"step": step, "value": 0.4, "low": 0.3, "high": 0.5} for cell in cells for step in (0, *STEPS)]
    moved = {"support": 0.2, "oppose": -0.4}
    drift = pl.DataFrame([cell | {"magnitude": moved[cell["stance"]], "end_step": 20} for cell in cells])
    ends = {"low": pl.col("magnitude") - 0.1, "high": pl.col("magnitude") + 0.1}
    return pl.DataFrame(values), drift.with_columns(**ends)


def charts(*blocks: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    points = read_ablated([entry for block in blocks for entry in block], DISPLAY.models["llama3_3b"])
    found = ablation_charts(points, *tables(*blocks), DISPLAY, 0.95)
    return {name: chart.to_dict() for name, chart in found.items()}


def titles(row: dict[str, Any]) -> list[str]:
    return [panel["title"] for panel in row["hconcat"]]


def data_of(chart: dict[str, Any], layer: dict[str, Any]) -> list[dict[str, Any]]:
    return chart["datasets"][layer["data"]["name"]]


def test_parameters_of_the_paper_have_its_numbers_and_others_their_names() -> None:
    found = charts(
        ablation("simpo", "gamma", SUPPORT, 0.5, 1.0, own=0.5),
        ablation("ppo", "kl_coefficient", SUPPORT, 0.05, 0.5, own=0.05),
        ablation("dpo", "epochs", SUPPORT, 1, 2, own=1),
        ablation("dpo", "learning_rate", SUPPORT, 1e-6, own=5e-7),
    )
    assert set(found) == {"figure_15", "figure_17", "figure_dpo_epochs", "figure_learning_rate"}


def test_a_figure_has_a_row_for_each_place_and_a_column_for_each_chosen_topic_that_is_measured() -> None:
    elsewhere = ablation("dpo", "beta", OPPOSE, 0.1, 0.5, own=0.1)
    faster = ablation("dpo", "beta", SUPPORT, 0.1, 0.5, own=0.1, settings={"learning_rate": 1e-3})
    _, *rows = charts(elsewhere, BETA, faster)["figure_16"]["vconcat"]
    assert [row["title"]["text"] for row in rows] == [
        "synthetic pairs, support-aligned, after SFT on WildChat",
        "synthetic pairs, support-aligned, after SFT on WildChat, at learning rate 1e-3",
        "synthetic pairs, oppose-aligned, after SFT on WildChat",
    ]
    assert [titles(row) for row in rows] == [["Climate", "Abortion", "All topics"]] * 3


def test_a_line_for_each_value_told_apart_by_dash_and_shape_and_of_support_alone() -> None:
    chart = charts(BETA)["figure_16"]
    key, row = chart["vconcat"]
    band, line, points = row["hconcat"][0]["layer"]
    assert (band["encoding"]["y"]["field"], band["encoding"]["y2"]["field"]) == ("low", "high")
    shown = [cell["shown"] for cell in data_of(chart, key)]
    assert shown == ["0.05", "0.1*", "0.5"]
    rows = data_of(chart, row["hconcat"][0])
    assert len(rows) == 3 * 3
    assert {cell["shown"] for cell in rows} == set(shown)
    for layer, channel in ((line, "strokeDash"), (points, "shape"), (line, "color")):
        scale = layer["encoding"][channel]["scale"]
        assert scale["domain"] == shown
        assert len({str(look) for look in scale["range"]}) == 3


def rates_figure() -> dict[str, Any]:
    return charts(
        ablation("ppo", "learning_rate", SUPPORT, 1e-6, 3e-6, own=3e-6),
        ablation("simpo", "learning_rate", SUPPORT, 1e-6, 3e-6, own=1e-6),
        ablation("dpo", "learning_rate", SUPPORT, 1e-6, 3e-6, own=3e-6),
        ablation("dpo", "learning_rate", OPPOSE, 1e-6, own=3e-6),
    )["figure_learning_rate"]


def test_algorithms_share_a_panel_and_panels_their_axes() -> None:
    chart = rates_figure()
    key, row = chart["vconcat"]
    assert [cell["shown"] for cell in data_of(chart, key)] == ["DPO", "SimPO", "PPO"]
    assert row["title"]["text"] == "after SFT on WildChat"
    assert titles(row) == ["synthetic pairs, support-aligned", "synthetic pairs, oppose-aligned"]
    axes = [[panel["layer"][3]["encoding"][axis]["scale"]["domain"] for axis in "xy"] for panel in row["hconcat"]]
    assert axes[0] == axes[1]
    low, high = axes[0][1]
    assert low < -0.5
    assert high > 0.3


def test_each_panel_shows_the_stance_that_its_data_reward() -> None:
    chart = rates_figure()
    support, oppose = chart["vconcat"][1]["hconcat"]
    shown = [(panel["layer"][1]["encoding"]["y"]["title"], panel["layer"][1]) for panel in (support, oppose)]
    assert [(title, {cell["magnitude"] for cell in data_of(chart, layer)}) for title, layer in shown] == [
        ("M support", {0.2}),
        ("M oppose", {-0.4}),
    ]


def test_points_at_one_rate_stand_beside_each_other_and_own_ones_are_filled() -> None:
    chart = rates_figure()
    layers = chart["vconcat"][1]["hconcat"][0]["layer"]
    cells = data_of(chart, layers[3])
    near = [(cell["shown"], round(cell["rate"] * 1e6, 2)) for cell in cells if cell["rate"] < 2e-6]
    assert near == [("DPO", 0.83), ("SimPO", 1.0), ("PPO", 1.2)]
    assert [cell["shown"] for cell in cells if cell["own"]] == ["DPO", "SimPO", "PPO"]
    assert layers[4]["transform"] == [{"filter": "datum.own"}]
