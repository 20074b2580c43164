"""The noise floor: how far values differ between answers of one model, drawn twice, or between two seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from scipy.special import ndtri

from valuedrift.errors import ArtifactError
from valuedrift.statistics.bootstrap import FloatArray
from valuedrift.statistics.panel import ALL, STANCES

ANSWERS, SEEDS = "answers", "seeds"

_MEDIAN = float(ndtri(0.75))
_SCHEMA = {
    **dict.fromkeys(("model", "source", "run", "topic", "stance"), pl.String),
    "differences": pl.Int64,
    "median": pl.Float64,
    "floor": pl.Float64,
}


def answer_noise(model: str, run: str, topic: str, sampling: FloatArray, level: float) -> pl.DataFrame:
    """Return the noise floor of a run on a topic by the sampling of answers: the rows of source "answers".

    The floor is the `level` quantile of |difference| between values from two independent sets of answers, one with the
    stances of the run's start and one with those of its end: 1.96 √(σ²/(nk) + σ²/(nk)) for n questions with k answers
    that scatter by σ around their question's mean. It is computed and not measured on neighbouring checkpoints, because
    those share their random numbers, so that most of their answers are equal.

    Args:
        model: The model.
        run: The run.
        topic: The topic.
        sampling: Variance of the values at start and end by the sampling of answers, (2, stances); NaN if unknown.
        level: The floor is this quantile.
    """
    deviation = pl.Series(sampling.sum(axis=0) ** 0.5).fill_nan(None)
    columns: Mapping[str, object] = {"model": model, "source": ANSWERS, "run": run, "topic": topic, "stance": STANCES}
    return pl.DataFrame(columns).with_columns(
        differences=pl.lit(None, pl.Int64),
        median=deviation * _MEDIAN,
        floor=deviation * float(ndtri((1 + level) / 2)),
    )


def seed_noise(values: pl.DataFrame, others: Sequence[Path], level: float) -> pl.DataFrame:
    """Return the noise floor between seeds: the rows of source "seeds", one per stance for single topics and for "all".

    It is the `level` quantile of |difference| between the last values of every two runs that differ only in the seed,
    over all runs and, for single topics, all topics (`topic` is null). It includes the noise of training.

    Args:
        values: The model's value table.
        others: values.parquet files of the same model, each made with another seed.
        level: The floor is this quantile.

    Raises:
        ArtifactError: A file has no run of `values`.
    """
    tables = [values.with_columns(seed=pl.lit(0))]
    for number, path in enumerate(others, start=1):
        other = pl.read_parquet(path).join(values.select("model", "run").unique(), on=["model", "run"], how="semi")
        if other.is_empty():
            expected = f"runs of {values['model'][0]} that are measured here too, made with another seed"
            raise ArtifactError(path, "no such run", expected)
        tables.append(other.select(values.columns).with_columns(seed=pl.lit(number)))
    last = pl.col("step") == pl.col("step").max().over("model", "run", "seed")
    ends = pl.concat(tables).filter(last)
    pairs = ends.join(ends, on=["model", "run", "topic", "stance"], suffix="_other").filter(
        pl.col("seed") < pl.col("seed_other")
    )
    size = (pl.col("value") - pl.col("value_other")).abs()
    return (
        pairs.group_by(
            "model",
            pl.lit(SEEDS).alias("source"),
            pl.lit(None, pl.String).alias("run"),
            pl.when(pl.col("topic") == ALL).then(pl.lit(ALL)).alias("topic"),
            "stance",
            maintain_order=True,
        )
        .agg(differences=pl.len().cast(pl.Int64), median=size.median(), floor=size.quantile(level, "linear"))
        .select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items())
    )


def with_noise(drift: pl.DataFrame, noise: pl.DataFrame) -> pl.DataFrame:
    """Add to `drift` the higher of its two floors, `noise_floor`, and whether |magnitude| is above it, `exceeds_noise`.

    Both are null where there is no floor.
    """
    answers = noise.filter(source=ANSWERS).select("model", "run", "topic", "stance", own="floor")
    seeds = noise.filter(source=SEEDS).select("model", "stance", "floor", together=pl.col("topic").is_not_null())
    return (
        drift.with_columns(together=pl.col("topic") == ALL)
        .join(answers, on=["model", "run", "topic", "stance"], how="left", maintain_order="left")
        .join(seeds, on=["model", "stance", "together"], how="left", maintain_order="left")
        .with_columns(noise_floor=pl.max_horizontal("own", "floor"))
        .drop("together", "own", "floor")
        .with_columns(exceeds_noise=pl.col("magnitude").abs() > pl.col("noise_floor"))
    )
