"""Tables, figures and the report, as the pipeline's jobs write them from statistics files."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from valuedrift.files import publish, read_json, write_parquet
from valuedrift.reporting.benchmarks import read_stage_costs
from valuedrift.reporting.expression_figures import draw_expression
from valuedrift.reporting.figures import drift_heatmap, save_chart, trajectories
from valuedrift.reporting.labels import Topics
from valuedrift.reporting.paper_figures import FIGURES
from valuedrift.reporting.report import ReportInputs, write_report
from valuedrift.reporting.table_files import write_tables
from valuedrift.reporting.tables import paper_tables
from valuedrift.statistics.panel import ALL

PACKAGES = ("valuedrift", "snakemake", "torch", "transformers", "trl", "polars", "altair")


def write_paper_tables(statistics: Sequence[Path], topics: Topics, report: Mapping[str, Any], out: Path) -> None:
    """Write the paper's tables of all models into the folder `out`."""
    with publish(out) as draft:
        write_tables(paper_tables(_all(statistics, "drift"), topics, report["table_1_topics"]), draft)


def write_paper_figures(
    statistics: Sequence[Path], topics: Topics, report: Mapping[str, Any], expression: Path, out: Path
) -> None:
    """Draw the paper's figures, by its numbers, from whatever runs and data sets there are, into the folder `out`.

    expression: what the data sets express, as `valuedrift.expression.commands.write_expression` writes it
    """
    values = _all(statistics, "values")
    with publish(out) as draft:
        draft.mkdir()
        for figure in FIGURES:
            runs = figure.runs_among(values["run"].unique(maintain_order=True))
            if runs and figure.topic in topics:
                chart = trajectories(values, runs, [figure.topic], topics, columns=report["figure_columns"])
                save_chart(chart, draft / f"figure_{figure.number:02d}", report["figure_formats"])
        draw_expression(expression, topics, report["figure_formats"], draft)


def write_drift(statistics: Path, topics: Topics, report: Mapping[str, Any], out: Path) -> None:
    """Write one model's values and drifts as parquet, tables and figures into the folder `out`."""
    values, drift = (pl.read_parquet(statistics / f"{name}.parquet") for name in ("values", "drift"))
    with publish(out) as draft:
        draft.mkdir()
        write_parquet(draft / "values.parquet", values)
        write_parquet(draft / "drift.parquet", drift)
        write_tables(paper_tables(drift, topics, report["table_1_topics"]), draft / "tables")
        _draw(values, statistics.name, topics, report, draft / "figures")
        save_chart(drift_heatmap(drift, topics), draft / "figures" / "drift", report["figure_formats"])


@dataclass(frozen=True)
class ReportFiles:
    """Where everything that the report shows lies."""

    statistics: Sequence[Path]
    stances: Sequence[Path]
    calibrations: Sequence[Path]
    quality: Path | None
    benchmarks: Path
    configuration: Path


def write_report_page(files: ReportFiles, topics: Topics, out: Path) -> None:
    """Write index.html and summary.json into the folder `out`."""
    inputs = ReportInputs(
        values=_all(files.statistics, "values"),
        drift=_all(files.statistics, "drift"),
        calibration=_calibration(files.calibrations),
        findings=[finding for folder in files.statistics for finding in read_json(folder / "findings.json")],
        judge=read_json(files.quality) if files.quality else None,
        answers=pl.concat([pl.read_parquet(path) for path in files.stances]),
        topics=topics,
        stages=read_stage_costs(files.benchmarks),
        versions=_versions(),
        commit=_commit(),
        configuration=yaml.safe_load(files.configuration.read_text(encoding="utf-8")),
    )
    with publish(out) as draft:
        draft.mkdir()
        write_report(inputs, draft)


def _versions() -> dict[str, str]:
    """Of the packages that shape results, those that this environment has: on a cluster each stage has its own."""
    installed = {name: version(name) for name in PACKAGES if find_spec(name)}
    return {"python": platform.python_version(), **installed}


def _all(statistics: Sequence[Path], name: str) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(folder / f"{name}.parquet") for folder in statistics])


def _calibration(folders: Sequence[Path]) -> pl.DataFrame:
    columns = {"data": pl.String, "topic": pl.String, "stance": pl.String}
    shares = dict.fromkeys(("planted", "measured", "low", "high"), pl.Float64)
    empty = pl.DataFrame(schema={"model": pl.String, **columns, **shares})
    return pl.concat([empty, *(pl.read_parquet(folder / "table.parquet") for folder in folders)])


def _draw(values: pl.DataFrame, model: str, topics: Topics, report: Mapping[str, Any], folder: Path) -> None:
    """One figure a run: every topic and their mean (figures 3, 4, 7, 9, 11 to 14)."""
    for run in values["run"].unique(maintain_order=True):
        own = values.filter(pl.col("run") == run)
        chosen = [topic for topic in (ALL, *topics) if topic in set(own["topic"])]
        chart = trajectories(own, [run], chosen, topics, columns=report["figure_columns"])
        stem = f"trajectory_{model}_{run}".replace("/", "_")
        save_chart(chart, folder / stem, report["figure_formats"])


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "not a git checkout"
