"""Where the files are that the report and the exports show, and how several models' tables are read as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.display import Display
from valuedrift.files import read_json
from valuedrift.report.finding_statements import statement


@dataclass(frozen=True)
class Sources:
    """Files and folders that the report and the exports read.

    Attributes:
        statistics: One folder per model.
        stances: Stance files of these models.
        calibrations: One folder per model that was calibrated.
        quality: Judge → its quality file, of those that were measured.
        expression: Suite → the folder of what its data sets express.
        prediction: One folder per model.
        corrected: One folder per model with a labelled sample.
        metrics: Model → run → its metrics.
        benchmarks: Snakemake's benchmark files, with the predictions beside them.
    """

    statistics: Sequence[Path]
    stances: Sequence[Path]
    calibrations: Sequence[Path]
    quality: Mapping[str, Path]
    expression: Mapping[str, Path]
    prediction: Sequence[Path]
    corrected: Sequence[Path]
    metrics: Mapping[str, Mapping[str, str]]
    benchmarks: Path


def read_findings(folders: Sequence[Path], display: Display) -> list[dict[str, Any]]:
    """The findings in folders of statistics that are named after their models, each with `model` and `statement`."""
    return [
        {**finding, "model": folder.name, "statement": statement(finding, display.suite(folder.name))}
        for folder in folders
        for finding in read_json(folder / "findings.json")
    ]


def read_training(metrics: Mapping[str, Mapping[str, str]]) -> pl.DataFrame:
    """What training runs logged: `model, run, step, metric, value`. metrics: model → run → its metrics (parquet)."""
    return pl.concat(
        pl.read_parquet(path).select(pl.lit(model).alias("model"), pl.lit(run).alias("run"), "step", "metric", "value")
        for model, runs in metrics.items()
        for run, path in runs.items()
    )
