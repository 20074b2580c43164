"""The files that the report and the exports read, and functions that read files of several models as one table."""

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
        statistics: Folders of statistics, one per model.
        stances: Stance files of these models.
        calibrations: Folders of calibrations, one per calibrated model.
        quality: Judge → its quality file, for each judge that was measured.
        expression: Suite → the folder with the stances that its data sets express.
        prediction: Folders of predicted drift, one per model.
        corrected: Folders of corrected drift, one per model with a labelled sample.
        metrics: Model → run → the file of its metrics.
        benchmarks: The folder of Snakemake's benchmark files; the predictions are next to it.
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
    """Return the findings in folders of statistics, which have their models' names, with `model` and `statement`."""
    return [
        {**finding, "model": folder.name, "statement": statement(finding, display.suite(folder.name))}
        for folder in folders
        for finding in read_json(folder / "findings.json")
    ]


def read_training(metrics: Mapping[str, Mapping[str, str]]) -> pl.DataFrame:
    """Return the logs of training runs as a table `model, run, step, metric, value`.

    `metrics` is model → run → its metrics, a parquet file.
    """
    names = dict.fromkeys(("model", "run"), pl.String)
    empty = pl.DataFrame(schema={**names, "step": pl.Int64, "metric": pl.String, "value": pl.Float64})
    tables = [
        pl.read_parquet(path).select(pl.lit(model).alias("model"), pl.lit(run).alias("run"), "step", "metric", "value")
        for model, runs in metrics.items()
        for run, path in runs.items()
    ]
    return pl.concat([empty, *tables])
