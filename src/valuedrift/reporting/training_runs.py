"""What training runs logged, as the report and the exports show it."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl


def read_training(metrics: Mapping[str, Mapping[str, str]]) -> pl.DataFrame:
    """`model, run, step, metric, value` of all runs. metrics: model → run → its metrics (parquet)."""
    return pl.concat(
        pl.read_parquet(path).select(pl.lit(model).alias("model"), pl.lit(run).alias("run"), "step", "metric", "value")
        for model, runs in metrics.items()
        for run, path in runs.items()
    )
