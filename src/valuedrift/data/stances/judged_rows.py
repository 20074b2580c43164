"""Judged answers of retrieved rows: read them, and compute means over rows, with intervals from resampling the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from valuedrift.errors import ArtifactError
from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.panel import ALL, PROBABILITIES, is_distribution

COLUMNS = ("data", "row_id", "role", "topic", "question_id", "cosine", "question", "answer", *PROBABILITIES)

_GROUPS = 250


def read_judged(files: Sequence[Path]) -> pl.DataFrame:
    """Read COLUMNS and `unassigned`; raises ArtifactError unless all probabilities sum to 1 or are null."""
    judged = pl.concat([pl.read_parquet(path, columns=[*COLUMNS, "unassigned"]) for path in files])
    if ALL in judged["topic"]:
        raise ArtifactError("judged answers", f"topic {ALL}", "another name, as this one is for all topics together")
    wrong = judged.drop_nulls(PROBABILITIES).filter(~is_distribution())
    if wrong.height:
        first = wrong.row(0, named=True)
        answer = f"judged answers, data {first['data']}, row {first['row_id']}, topic {first['topic']}"
        raise ArtifactError(answer, [first[name] for name in PROBABILITIES], "three probabilities that sum to 1")
    return judged


def by_topic(table: pl.DataFrame, *keys: str) -> Iterator[tuple[tuple[str, ...], pl.DataFrame]]:
    """Yield ((*keys, topic), rows) for each combination of keys: each topic in alphabetical order, then "all"."""
    for values, own in table.group_by(keys, maintain_order=True):
        for topic in own["topic"].unique().sort():
            yield (*values, topic), own.filter(pl.col("topic") == topic)
        yield (*values, ALL), own


def row_means(
    table: pl.DataFrame, columns: list[str], key: str, bootstrap: Bootstrap
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return means of columns over the lines of a table; the data rows that lines belong to (`row_id`) are resampled.

    More than 250 rows are divided into 250 groups at random, and the groups are resampled: this hardly changes the
    interval of a mean, and limits the computing time.

    Args:
        table: Lines with `row_id` and `columns`.
        columns: The columns to average.
        key: Name of the random stream, like the topic in `Bootstrap.weights`.
        bootstrap: Settings of the interval.

    Returns:
        The means and the low and high ends of their intervals, (columns,) each.
    """
    # Row ids are hashes, so their order doesn't depend on the rows' topics or stances.
    group = (pl.col("row_id").rank("dense") - 1) % _GROUPS
    dealt = table.group_by(group.alias("group")).agg(pl.col(columns).sum(), pl.len().alias("lines")).sort("group")
    sums, lines = dealt.select(columns).to_numpy().astype(np.float64), dealt["lines"].to_numpy().astype(np.float64)
    weights = _weights(bootstrap, key, dealt.height)
    low, high = bootstrap.interval((sums.T @ weights) / (lines @ weights))
    return sums.sum(axis=0) / lines.sum(), low, high


@lru_cache(maxsize=12)  # one entry per topic: every data set and role uses the same draws
def _weights(bootstrap: Bootstrap, key: str, groups: int) -> FloatArray:
    return bootstrap.weights(key, groups)
