"""Figures and table of ablations: which runs are measured and drawn, at which values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from valuedrift.errors import ConfigError
from valuedrift.reporting.ablation_figures import (
    ablation_charts,
    ablation_points,
    ablation_table,
    draw_ablations,
)

TOPICS = {
    name: {"name": name.title(), "target": "a target", "value": "a value"}
    for name in ("abortion", "immigration", "climate", "work")
}
REPORT = {"ablation_topics": ["climate", "abortion"], "figure_formats": ["svg"]}
SETTINGS = {"replicates": 50, "level": 0.95}
STEPS = (10, 20)
SUPPORT, OPPOSE = "synthetic-support", "synthetic-oppose"


def block(algorithm: str, parameter: str, data: str, *values: float, own: float, name: str = "") -> dict[str, Any]:
    """A row of `ablated`; the run at `own` is the grid's."""
    variants = {value: "" if value == own else f"-{name or parameter}-{value}" for value in values}
    runs = [{"value": value, "run": f"sft-wildchat/{algorithm}-{data}{end}"} for value, end in variants.items()]
    return {"algorithm": algorithm, "parameter": parameter, "sft": "wildchat", "data": data, "runs": runs}


def trajectory(run: str, algorithm: str, data: str) -> dict[str, Any]:
    start = {"sft": "wildchat", "start_run": "sft-wildchat", "start_step": 40}
    return {"run": run, "algorithm": algorithm, "data": data, **start, "steps": list(STEPS)}


def trajectories(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    found = {entry["run"]: trajectory(entry["run"], b["algorithm"], b["data"]) for b in blocks for entry in b["runs"]}
    return list(found.values())


def stances(folder: Path, shares: dict[str, tuple[float, float]], topics: tuple[str, ...]) -> list[Path]:
    """Stance tables of the start (support 0.3) and of runs, at (support after 10 steps, after 20)."""
    checkpoints = {"sft-wildchat": {40: 0.3}} | {run: dict(zip(STEPS, own, strict=True)) for run, own in shares.items()}
    files = []
    for number, (run, steps) in enumerate(checkpoints.items()):
        rows = [
            {"model": "llama3_3b", "run": run, "step": step, "topic": topic, "question_id": f"q{q}", "sample": 0}
            | {"p_support": share, "p_neutral": 0.0, "p_oppose": 1 - share}
            for step, share in steps.items()
            for topic in topics
            for q in range(4)
        ]
        files.append(folder / f"{number}.parquet")
        pl.DataFrame(rows).write_parquet(files[-1])
    return files


def drawn(folder: Path, blocks: list[dict[str, Any]], shares: dict[str, tuple[float, float]]) -> Path:
    files = stances(folder, shares, ("abortion", "climate"))
    known = [entry for entry in trajectories(*blocks) if entry["run"] in shares]
    draw_ablations(files, known, blocks, TOPICS, REPORT, SETTINGS, 1, folder / "out")
    return folder / "out"


BETA = block("dpo", "beta", SUPPORT, 0.05, 0.1, 0.5, own=0.1)
RUNS = [entry["run"] for entry in BETA["runs"]]


def tables(*blocks: dict[str, Any], magnitude: float = 0.2) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Values and drift of the blocks' runs."""
    runs = dict.fromkeys(entry["run"] for b in blocks for entry in b["runs"])
    cells = [
        {"model": "llama3_3b", "run": run, "topic": topic, "stance": stance}
        for run in runs
        for topic in ("abortion", "climate", "all")
        for stance in ("support", "oppose")
    ]
    values = [cell | {"step": step, "value": 0.4, "low": 0.3, "high": 0.5} for cell in cells for step in (0, *STEPS)]
    ends = {"magnitude": magnitude, "low": magnitude - 0.1, "high": magnitude + 0.1, "end_step": 20}
    return pl.DataFrame(values), pl.DataFrame([cell | ends for cell in cells])


def charts(*blocks: dict[str, Any], report: dict[str, Any] = REPORT) -> dict[str, dict[str, Any]]:
    found = ablation_charts(ablation_points(blocks), *tables(*blocks), TOPICS, report, 0.95)
    return {name: chart.to_dict() for name, chart in found.items()}


def titles(row: dict[str, Any]) -> list[str]:
    return [panel["title"] for panel in row["hconcat"]]


def data_of(chart: dict[str, Any], layer: dict[str, Any]) -> list[dict[str, Any]]:
    return chart["datasets"][layer["data"]["name"]]


def test_the_ablations_are_measured_and_written(tmp_path: Path) -> None:
    shares = dict(zip(RUNS, [(0.7, 0.9), (0.5, 0.6), (0.3, 0.4)], strict=True))
    out = drawn(tmp_path, [BETA], shares)
    drift = pl.read_parquet(out / "drift.parquet").filter(topic="all", stance="support").sort("run")
    assert dict(drift.select("run", "magnitude").iter_rows()) == pytest.approx(
        {RUNS[0]: 0.6, RUNS[1]: 0.3, RUNS[2]: 0.1}
    )
    assert set(pl.read_parquet(out / "values.parquet")["run"]) == set(RUNS)
    assert sorted(path.name for path in out.glob("*.svg")) == ["figure_16.svg"]
    lines = (out / "ablations.md").read_text().splitlines()
    assert (
        "| SFT on WildChat | synthetic pairs, support-aligned | DPO | β | 0.05 | 20 | 0.600 | 0.600 | 0.600 |" in lines
    )
    assert any(r"| 0.1\* | 20 | 0.300 |" in line for line in lines)


def test_runs_that_are_not_there_are_left_out_of_figures_and_blank_in_the_table(tmp_path: Path) -> None:
    out = drawn(tmp_path, [BETA], {RUNS[1]: (0.5, 0.6)})
    assert "0.05" not in (out / "figure_16.svg").read_text()
    lines = (out / "ablations.md").read_text().splitlines()
    assert any("| 0.05 | — | — | — | — |" in line for line in lines)


def test_other_trajectories_are_not_measured(tmp_path: Path) -> None:
    other = trajectory("sft-wildchat/dpo-hh-rlhf", "dpo", "hh-rlhf")
    files = stances(tmp_path, dict.fromkeys(RUNS, (0.5, 0.6)), ("climate",))
    draw_ablations(files, [other, *trajectories(BETA)], [BETA], TOPICS, REPORT, SETTINGS, 1, tmp_path / "out")
    assert other["run"] not in set(pl.read_parquet(tmp_path / "out" / "drift.parquet")["run"])


def test_without_a_run_there_is_nothing_to_measure(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"grid\.ablations"):
        draw_ablations([], [], [BETA], TOPICS, REPORT, SETTINGS, 1, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_each_parameter_of_the_paper_has_its_figure_and_others_have_none() -> None:
    found = charts(
        block("simpo", "gamma", SUPPORT, 0.5, 1.0, own=0.5),
        block("ppo", "kl_coefficient", SUPPORT, 0.05, 0.5, own=0.05),
        block("dpo", "epochs", SUPPORT, 1, 2, own=1),
        block("dpo", "learning_rate", SUPPORT, 1e-6, own=5e-7),
    )
    assert list(found) == ["figure_15", "figure_17", "figure_learning_rate"]


def test_a_figure_has_a_row_for_each_data_set_and_a_column_for_each_chosen_topic() -> None:
    chart = charts(block("dpo", "beta", OPPOSE, 0.1, 0.5, own=0.1), BETA)["figure_16"]
    _, *rows = chart["vconcat"]
    assert [row["title"]["text"] for row in rows] == [
        "synthetic pairs, support-aligned, after SFT on WildChat",
        "synthetic pairs, oppose-aligned, after SFT on WildChat",
    ]
    assert [titles(row) for row in rows] == [["Climate", "Abortion"]] * 2


def test_topics_are_the_papers_by_default_as_far_as_they_are_measured() -> None:
    chart = charts(BETA, report={"figure_formats": ["svg"]})["figure_16"]
    assert titles(chart["vconcat"][1]) == ["Abortion", "Climate"]


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


def test_learning_rates_share_their_axes_over_algorithms_and_data_sets() -> None:
    chart = charts(
        block("ppo", "learning_rate", SUPPORT, 1e-6, 3e-6, own=3e-6),
        block("simpo", "learning_rate", SUPPORT, 1e-6, 1e-5, own=1e-6),
        block("dpo", "learning_rate", SUPPORT, 5e-7, 1e-6, own=5e-7),
        block("dpo", "learning_rate", OPPOSE, 5e-7, own=5e-7),
    )["figure_learning_rate"]
    first, second = chart["vconcat"]
    assert titles(first) == ["DPO", "SimPO", "PPO"] == titles(second)
    layers = [panel["layer"] for row in (first, second) for panel in row["hconcat"]]
    axes = [[layer[3]["encoding"][axis]["scale"]["domain"] for axis in "xy"] for layer in layers]
    assert all(axis == axes[0] for axis in axes)
    points = data_of(chart, first["hconcat"][0]["layer"][3])
    assert [(cell["value"], cell["own"], cell["magnitude"]) for cell in points] == [
        (5e-7, True, 0.2),
        (1e-6, False, 0.2),
    ]


def test_small_values_are_written_as_people_write_them() -> None:
    blocks = [block("dpo", "learning_rate", SUPPORT, 1e-5, 5e-7, 0.0001, own=5e-7)] * 2
    frame = ablation_table(ablation_points(blocks), tables(*blocks)[1], 0.95).frame
    assert frame["Value"].to_list() == ["5e-7*", "1e-5", "0.0001"]
