"""The noise floor: how far values differ between checkpoints whose true values should be equal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from valuedrift.errors import ArtifactError
from valuedrift.statistics.panel import ALL

NEIGHBOURS, SEEDS = "neighbours", "seeds"
CONVERGED = 0.75
"""The share of a run's steps after which it counts as converged."""

_SCOPE = pl.when(pl.col("topic") == ALL).then(pl.lit(ALL)).otherwise(pl.lit("topic")).alias("scope")


def noise_table(values: pl.DataFrame, level: float = 0.95) -> pl.DataFrame:
    """Return the noise floor of each stance: `model, source, scope, stance, differences, median, floor`.

    A floor is the `level` quantile of |difference| over all runs, either over the single topics (scope "topic") or for
    the mean over topics (scope "all"). Source "neighbours" compares neighbouring saved steps in the last quarter of
    each run, where learning rates are low; values that still move there raise the floor. Source "seeds" compares the
    last steps of every two runs that differ only in the seed, so it includes the noise of training. A source without
    such pairs has no rows.

    Args:
        values: A value table. Names of runs that differ only in the seed are equal up to an "@".
        level: The floor is this quantile.
    """
    size = pl.col("difference").abs()
    return (
        pl.concat([_neighbours(values), _seeds(values)])
        .group_by("model", "source", _SCOPE, "stance", maintain_order=True)
        .agg(
            differences=pl.len().cast(pl.Int64),
            median=size.median(),
            floor=size.quantile(level, "linear"),
        )
    )


def noise_with_seeds(values: pl.DataFrame, others: Sequence[Path], level: float) -> pl.DataFrame:
    """Return the `noise_table` of a model's value table and those of the same runs with other seeds.

    Args:
        values: The model's value table.
        others: values.parquet files of the same model, each made with another seed.
        level: The floor is this quantile.

    Raises:
        ArtifactError: A file has no run of `values`.
    """
    tables = [values]
    for number, path in enumerate(others, start=1):
        other = pl.read_parquet(path).join(values.select("model", "run").unique(), on=["model", "run"], how="semi")
        if other.is_empty():
            expected = f"runs of {values['model'][0]} that are measured here too, made with another seed"
            raise ArtifactError(path, "no such run", expected)
        tables.append(other.select(values.columns).with_columns(run=pl.format("{}@{}", "run", pl.lit(number))))
    return noise_table(pl.concat(tables), level)


def with_noise(drift: pl.DataFrame, noise: pl.DataFrame) -> pl.DataFrame:
    """Add to `drift` the stance's highest floor, `noise_floor`, and whether |magnitude| is above it, `exceeds_noise`.

    Both are null where there is no floor.
    """
    highest = noise.group_by("model", "scope", "stance").agg(pl.col("floor").max().alias("noise_floor"))
    return (
        drift.with_columns(_SCOPE)
        .join(highest, on=["model", "scope", "stance"], how="left", maintain_order="left")
        .drop("scope")
        .with_columns(exceeds_noise=pl.col("magnitude").abs() > pl.col("noise_floor"))
    )


def _neighbours(values: pl.DataFrame) -> pl.DataFrame:
    cell = ("model", "run", "topic", "stance")
    last = pl.col("step").max().over(cell)
    return (
        values.filter(pl.col("step") > 0, pl.col("step") >= CONVERGED * last)
        .sort(*cell, "step")
        .with_columns(difference=pl.col("value").diff().over(cell))
        .drop_nulls("difference")
        .select("model", pl.lit(NEIGHBOURS).alias("source"), "topic", "stance", "difference")
    )


def _seeds(values: pl.DataFrame) -> pl.DataFrame:
    last = pl.col("step") == pl.col("step").max().over("model", "run")
    ends = values.filter(last).with_columns(shared=pl.col("run").str.split("@").list.first())
    pairs = ends.join(ends, on=["model", "shared", "topic", "stance"], suffix="_other")
    return (
        pairs.filter(pl.col("run") < pl.col("run_other"))
        .sort("model", "shared", "topic", "stance", "run", "run_other")
        .with_columns(difference=pl.col("value") - pl.col("value_other"))
        .select("model", pl.lit(SEEDS).alias("source"), "topic", "stance", "difference")
    )
