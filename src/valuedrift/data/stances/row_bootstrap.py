"""Means over the rows of a data set, with intervals from resampling the rows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray

_GROUPS = 250


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
