"""What was expected of the jobs of a run, beside what they then took."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from valuedrift.errors import DataError
from valuedrift.files import read_json
from valuedrift.report.stage_costs import read_wall_seconds
from valuedrift.workflow.plan_stages import PREDICTIONS, STAGES

SCHEMA = {
    "stage": pl.String,
    "jobs": pl.Int64,
    "predicted_seconds": pl.Float64,
    "measured_seconds": pl.Float64,
    "ratio": pl.Float64,
}


def predicted_and_measured(benchmarks: Path) -> pl.DataFrame:
    """By stage the finished jobs that were predicted before their run began, in the pipeline's order.

    benchmarks: of the run; the predictions lie beside that folder.

    Columns: stage, jobs, predicted_seconds, measured_seconds (both summed over the jobs and all their devices), ratio
    (predicted over measured). No rows where nothing was predicted or nothing has finished.
    """
    predictions = benchmarks.with_name(Path(PREDICTIONS).name)
    known = read_json(predictions) if predictions.is_file() else {}
    rows = [
        {"stage": key.partition("/")[0], "predicted_seconds": entry["seconds"], "measured_seconds": seconds}
        for key, entry in known.items()
        if (seconds := _seconds(benchmarks / f"{key}.tsv", entry["devices"])) is not None
    ]
    order = pl.Enum([*STAGES, *sorted({row["stage"] for row in rows} - set(STAGES))])
    return (
        pl.DataFrame(rows, schema={name: SCHEMA[name] for name in ("stage", "predicted_seconds", "measured_seconds")})
        .group_by(pl.col("stage").cast(order))
        .agg(pl.len().cast(pl.Int64).alias("jobs"), pl.col("predicted_seconds", "measured_seconds").sum())
        .sort("stage")
        .with_columns(
            pl.col("stage").cast(pl.String), (pl.col("predicted_seconds") / pl.col("measured_seconds")).alias("ratio")
        )
        .select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
    )


def _seconds(benchmark: Path, devices: int) -> float | None:
    try:
        return read_wall_seconds(benchmark) * devices
    except (FileNotFoundError, DataError):
        return None
