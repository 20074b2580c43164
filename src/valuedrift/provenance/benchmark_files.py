"""Read the time and memory of finished jobs from Snakemake's benchmark files, and their predictions."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import polars as pl

from valuedrift.errors import DataError
from valuedrift.files import read_json

BENCHMARKS = "results/benchmarks"
PREDICTIONS = "results/predictions.json"
_NOT_SAMPLED = ("", "-", "NA")  # Snakemake's value for the memory of jobs that were too short
_JOB = {"key": pl.String, "stage": pl.String, "seconds": pl.Float64, "peak_mib": pl.Float64}
_PREDICTION = {"key": pl.String, "predicted": pl.Float64, "devices": pl.Int64}


def read_benchmark(path: Path) -> tuple[float, float | None]:
    """Return the wall seconds of a finished job, and its largest resident memory in MiB; None if not sampled.

    Raises:
        DataError: The file isn't a benchmark file of Snakemake.
    """
    with path.open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file, delimiter="\t"), {})
    try:
        seconds, memory = float(row["s"]), row["max_rss"]
        peak = math.nan if memory in _NOT_SAMPLED else float(memory)
    except (KeyError, TypeError, ValueError):
        expected = "a Snakemake benchmark: wall seconds `s` and `max_rss`, MiB or '-'"
        raise DataError(path, 1, "s, max_rss", row, expected, "Remove the file and run again.") from None
    return seconds, peak if math.isfinite(peak) else None


def benchmark_key(path: Path, folder: Path) -> str:
    """Return a benchmark file's path below the folder of benchmarks, without ending. The first part is the stage."""
    return str(path.relative_to(folder).with_suffix(""))


def stage_costs(folder: Path) -> pl.DataFrame:
    """Sum the benchmark files below a folder by stage, in alphabetical order.

    Returns:
        Columns stage, jobs, wall_seconds (sum over jobs) and peak_mib (the largest of any job, null if unknown).
    """
    sums = {"jobs": pl.len().cast(pl.Int64), "wall_seconds": pl.sum("seconds").round(3), "peak_mib": pl.max("peak_mib")}
    return _finished(folder).group_by("stage").agg(**sums).sort("stage")


def predicted_and_measured(folder: Path) -> pl.DataFrame:
    """Sum the predicted and the measured seconds of finished jobs by stage.

    Args:
        folder: The folder of benchmarks. The file of predictions is in its parent folder.

    Returns:
        Columns stage, jobs, predicted_seconds and measured_seconds (of all devices), ratio (predicted over measured).
        Only finished jobs with a prediction count; there are no rows if there are none.
    """
    file = folder.with_name(Path(PREDICTIONS).name)
    predictions = read_json(file) if file.is_file() else {}
    rows = [(key, expected["seconds"], expected["devices"]) for key, expected in predictions.items()]
    jobs = _finished(folder).join(pl.DataFrame(rows, schema=_PREDICTION, orient="row"), on="key")
    sums = {
        "jobs": pl.len().cast(pl.Int64),
        "predicted_seconds": pl.sum("predicted"),
        "measured_seconds": (pl.col("seconds") * pl.col("devices")).sum(),
    }
    ratio = pl.col("predicted_seconds") / pl.col("measured_seconds")
    return jobs.group_by("stage").agg(**sums).sort("stage").with_columns(ratio=ratio)


def _finished(folder: Path) -> pl.DataFrame:
    keys = {path: benchmark_key(path, folder) for path in sorted(folder.rglob("*.tsv"))}
    rows = [(key, key.partition("/")[0], *read_benchmark(path)) for path, key in keys.items()]
    return pl.DataFrame(rows, schema=_JOB, orient="row")
