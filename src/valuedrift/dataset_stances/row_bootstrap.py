"""Means over the rows of a data set, with intervals from resampled rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray

_GROUPS = 250


@dataclass(frozen=True)
class Means:
    """Means with their intervals, (columns,) each, over `rows` rows."""

    rows: int
    value: FloatArray
    low: FloatArray
    high: FloatArray


def row_means(table: pl.DataFrame, columns: list[str], key: str, bootstrap: Bootstrap) -> Means:
    """Means of `columns` over the lines of `table`, which belong to data rows (`row_id`); the row is resampled.

    Beyond 250 rows they are dealt into 250 groups at random, and these are resampled: the interval of a mean stays
    what it is, at a fixed cost. `key` names the random stream, as topics do in `Bootstrap.weights`.
    """
    # Row ids are hashes, so their order has nothing to do with what the rows say.
    group = (pl.col("row_id").rank("dense") - 1) % _GROUPS
    dealt = table.group_by(group.alias("group")).agg(pl.col(columns).sum(), pl.len().alias("lines")).sort("group")
    sums, lines = dealt.select(columns).to_numpy().astype(np.float64), dealt["lines"].to_numpy().astype(np.float64)
    weights = _weights(bootstrap, key, dealt.height)
    low, high = bootstrap.interval((sums.T @ weights) / (lines @ weights))
    return Means(table["row_id"].n_unique(), sums.sum(axis=0) / lines.sum(), low, high)


@lru_cache(maxsize=12)  # of the topics: data sets and answers in turn draw the same again
def _weights(bootstrap: Bootstrap, key: str, groups: int) -> FloatArray:
    return bootstrap.weights(key, groups)
