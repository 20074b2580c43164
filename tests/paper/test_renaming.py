"""Nothing depends on what models, data sets and topics are called: the pocket grid is shown alike under other names."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from doubles.results import FRAMING, STANCES, drift_row, health, values

from valuedrift.display import Display, display_settings
from valuedrift.files import write_json, write_parquet
from valuedrift.paper.chart_files import save_chart
from valuedrift.paper.drift_figures import drift_heatmap
from valuedrift.paper.folder_inputs import FigureInputs, TableInputs
from valuedrift.paper.result_folders import write_drift_folder, write_figure_folder, write_table_folder
from valuedrift.report.exports import write_exports
from valuedrift.report.source_files import Sources
from valuedrift.statistics.noise import answer_noise

CONFIG = Path(__file__).parents[2] / "workflow_config.yaml"
TOPICS = ("abortion", "gender_lgbtq", "climate", "immigration", "economy")
"""Those that the configuration's `report` names."""
SHARES = {"p_support": 0.7, "p_neutral": 0.2, "p_oppose": 0.1}


def pocket() -> dict[str, Any]:
    """The configuration of the pocket grid alone, whose model has a title."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    suite = config["suites"]["pocket"]
    return {
        "report": {**config["report"], "models": ["pocket"], "figure_formats": ["svg"]},
        "models": {"pocket": {**config["models"]["pocket"], "title": "The pocket model"}},
        "suites": {"pocket": {key: suite[key] for key in ("judge", "probes", "data", "grid")}},
        "topics": {key: config["topics"][key] for key in TOPICS},
        "statistics": config["statistics"],
    }


def new_names(config: dict[str, Any]) -> dict[str, str]:
    """Other names in another alphabetical order."""
    data, topics = config["suites"]["pocket"]["data"], config["topics"]
    names = {"pocket": "zeppelin"}
    for kind, known in (("set", data), ("topic", topics)):
        names |= {name: f"{kind}x{len(known) - place:02}" for place, name in enumerate(known)}
    return names


def renamed(value: Any, names: dict[str, str]) -> Any:
    """The value with every key and text that is a name replaced."""
    if isinstance(value, dict):
        return {names.get(key, key): renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def with_other_names(config: dict[str, Any]) -> dict[str, Any]:
    names = new_names(config)
    model = names.pop("pocket")
    suite = config["suites"]["pocket"]
    return {
        "report": {**renamed(config["report"], names), "models": [model]},
        "models": {model: config["models"]["pocket"]},
        "suites": {
            "pocket": {**suite, "data": renamed_keys(suite["data"], names), "grid": renamed(suite["grid"], names)}
        },
        "topics": renamed_keys(config["topics"], names),
        "statistics": config["statistics"],
    }


def renamed_keys(mapping: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names[key]: value for key, value in mapping.items()}


def grid(display: Display) -> list[str]:
    (suite,) = display.suites
    pairs = product(suite.starts, suite.preference, suite.algorithms)
    return [*(f"sft-{data}" for data in suite.sft), *(f"sft-{sft}/{name}-{data}" for sft, data, name in pairs)]


def write_inputs(folder: Path, display: Display) -> Sources:
    """What the pipeline would have made of every run on every topic, with the same numbers everywhere."""
    (model,), (suite,) = display.models.values(), display.suites
    topics = ("all", *display.topics)
    cells = product(grid(display), topics, STANCES)
    drift = pl.DataFrame([drift_row(*cell, model=model.name) for cell in cells])
    write_parquet(folder / "drift.parquet", drift)
    write_parquet(folder / "values.parquet", values(grid(display), topics, (0, 10), (model.name,)))
    noise = answer_noise(model.name, grid(display)[0], topics[1], np.full((2, 3), 0.0002), 0.95)
    write_parquet(folder / "noise.parquet", noise)
    write_parquet(folder / "health.parquet", health(grid(display), model.name))
    write_parquet(folder / "framing.parquet", FRAMING)
    write_json(folder / "findings.json", [])
    judged = [
        {"model": model.name, "run": run, "step": 1, "topic": topic, "question_id": "q1", "question": "Why?"}
        | {"sample": 0, "answer": "So.", "refusal": False, "flag": None, "unassigned": 0.0, **SHARES}
        for run in ("base", *grid(display))
        for topic in display.topics
    ]
    write_parquet(folder / "stances.parquet", pl.DataFrame(judged))
    write_parquet(folder / "probes.parquet", pl.DataFrame({"topic": list(display.topics)}))
    turn = [[{"role": "user", "content": "text"}]]
    pairs = [{"id": "1", "topic": topic} for topic in display.topics]
    texts = [pl.Series(name, turn * len(pairs)) for name in ("prompt", "chosen", "rejected")]
    write_parquet(folder / "pairs.parquet", pl.DataFrame(pairs).with_columns(*texts))
    shares = [
        {"data": data, "role": "answer", "topic": topic, "stance": stance, "share": 0.2, "low": 0.1, "high": 0.3}
        | {"classified": 0.2, "rows": 9}
        for data, topic, stance in product(suite.sft, topics, STANCES)
    ]
    write_parquet(folder / "shares.parquet", pl.DataFrame(shares))
    gaps = [{"data": data, "topic": topic, "distance": 1.0} for data in suite.preference for topic in display.topics]
    write_parquet(folder / "gaps.parquet", pl.DataFrame(gaps))
    metrics = {model.name: {run: str(folder / "metrics.parquet") for run in grid(display)}}
    write_parquet(folder / "metrics.parquet", pl.DataFrame({"step": [1], "metric": ["loss"], "value": [0.5]}))
    stances = [folder / "stances.parquet"]
    shared = {"statistics": [folder], "stances": stances, "expression": {suite.name: folder}}
    return Sources(**shared, quality={}, prediction=[], metrics=metrics, benchmarks=folder / "none")


def shown(config: dict[str, Any], folder: Path) -> dict[str, list[str]]:
    """File → its texts and, of a table, its numbers of rows, of all that is made of the configuration."""
    (name,) = config["report"]["models"]
    keys = [key for key in config["report"] if key != "models"]
    display = Display.read(display_settings(config, [name], *keys))
    own, out = folder / name, folder / "out"
    sources = write_inputs(own, display)
    (suite,) = display.suites
    shared = {"statistics": sources.statistics, "expression": sources.expression}
    probes, aligned = ({suite.name: own / f"{name}.parquet"} for name in ("probes", "pairs"))
    tables = TableInputs(**shared, stances=sources.stances, probes=probes, aligned=aligned)
    write_table_folder(tables, display, 0, out / "tables")
    figures = FigureInputs(**shared, prompts={"judge": dict.fromkeys(suite.judges, "{answer}")})
    write_figure_folder(figures, display, out / "figures")
    save_chart(drift_heatmap(pl.read_parquet(own / "drift.parquet"), display), out / "drift", ["svg"])
    write_exports(sources, [], display, out / "exports")
    return {str(path.relative_to(out)): texts(path) for path in sorted(out.rglob("*")) if path.is_file()}


def texts(path: Path) -> list[str]:
    """What a file says, line by line; of an export its header and number of rows."""
    if path.suffix == ".parquet":
        table = pl.read_parquet(path)
        return [*table.columns, str(table.height)]
    lines = path.read_text(encoding="utf-8").replace("\\_", "_").replace(r"\hspace{0pt}", "").splitlines()
    is_export = path.parent.name == "exports" and path.suffix == ".csv"
    return [lines[0], str(len(lines))] if is_export else lines


def without_data(spec: Any) -> Any:
    """A chart's titles, scales and axes."""
    if isinstance(spec, dict):
        return {key: without_data(value) for key, value in spec.items() if key not in ("data", "datasets")}
    return [without_data(item) for item in spec] if isinstance(spec, list) else spec


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Charts are written as what they say, since drawing them takes long."""
    monkeypatch.setattr("vl_convert.vegalite_to_svg", lambda spec: json.dumps(without_data(spec)))


def test_the_pocket_grid_is_shown_alike_under_other_names(tmp_path: Path) -> None:
    config = pocket()
    back = {new: old for old, new in new_names(config).items()}
    old, new = shown(config, tmp_path / "old"), shown(with_other_names(config), tmp_path / "new")

    def in_old_names(text: str) -> str:
        return re.sub("|".join(back), lambda found: back[found[0]], text)

    assert len([path for path in old if path.startswith("figures/figure_")]) >= 12
    assert {"tables/table_01_preference_drift_ultrafeedback.md", "tables/drift_all.csv"} <= set(old)
    assert {in_old_names(path) for path in new} == set(old)
    for path, lines in new.items():
        ours, theirs = list(map(in_old_names, lines)), old[in_old_names(path)]
        if "drift_all" in path or path == "tables/index.html":  # rows of all drifts are sorted by the keys of topics
            ours, theirs = sorted(ours), sorted(theirs)
        assert ours == theirs, path


@pytest.mark.parametrize("kind", ["support", "oppose"])
def test_pairs_of_any_name_have_their_preference_table(tmp_path: Path, kind: str) -> None:
    config = with_other_names(pocket())
    grid = config["suites"]["pocket"]["grid"]
    del grid[f"{kind}_aligned"]
    found = shown(config, tmp_path)
    header = next(line for line in found["tables/preference_drift_zeppelin_setx05.md"] if line.startswith("| Topic"))
    assert f"{kind}-aligned" not in header
    assert "-aligned · DPO · M" in header


@pytest.mark.parametrize("answers", [1, 2])
def test_the_variance_is_drawn_where_each_question_has_several_answers(tmp_path: Path, answers: int) -> None:
    keys = ("table_1_topics", "figure_formats", "figure_columns")
    display = Display.read(display_settings(pocket(), ["pocket"], *keys))
    folder = tmp_path / "pocket"
    write_inputs(folder, display)
    if answers == 1:
        write_parquet(folder / "noise.parquet", pl.read_parquet(folder / "noise.parquet").clear())
    write_drift_folder(folder, display, tmp_path / "drift")
    drawn = {path.stem for path in (tmp_path / "drift/figures").iterdir()}
    assert ("variance" in drawn) == (answers > 1)
    assert "drift" in drawn
