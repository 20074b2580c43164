"""The stance shares that are planted in a data set, as arrays."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from valuedrift.errors import ArtifactError
from valuedrift.statistics.bootstrap import FloatArray
from valuedrift.statistics.panel import STANCES


def planted_shares(planted: pl.DataFrame, data: str, topics: Iterable[str]) -> FloatArray:
    """Shares of data set `data`, (topics, stances), out of `planted`: `data, topic, stance, planted`.

    Raises ArtifactError, naming data set, topic and stance, where there isn't exactly one share from 0 to 1.
    """
    own = planted.filter(pl.col("data") == data)
    return np.array([[_share(own, data, topic, stance) for stance in STANCES] for topic in topics])


def _share(own: pl.DataFrame, data: str, topic: str, stance: str) -> float:
    found = own.filter(pl.col("topic") == topic, pl.col("stance") == stance)["planted"].to_list()
    if len(found) != 1 or found[0] is None or not 0 <= found[0] <= 1:
        raise ArtifactError(f"planted shares, data {data}, topic {topic}, stance {stance}", found, "one share, 0 to 1")
    return float(found[0])
