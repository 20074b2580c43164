"""The stance shares that are planted in a world's data sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from valuedrift.errors import ArtifactError
from valuedrift.files import read_json
from valuedrift.statistics.bootstrap import FloatArray
from valuedrift.statistics.panel import STANCES


def planted_table(cards: Mapping[str, str]) -> pl.DataFrame | None:
    """Return the planted shares of SFT data sets, `data, topic, stance, planted`, or None if nothing is planted.

    Args:
        cards: Data set → path of its card.json.
    """
    rows = [
        {"data": data, "topic": entry["topic"], "stance": entry["stance"], "planted": entry["share"]}
        for data, card in cards.items()
        for entry in read_json(card).get("planted", [])
        if entry["column"] == "true_stance"
    ]
    return pl.DataFrame(rows) if rows else None


def planted_shares(planted: pl.DataFrame, data: str, topics: Iterable[str]) -> FloatArray:
    """Return the shares of one data set in a `planted_table`, (topics, stances).

    Raises:
        ArtifactError: A topic and stance has no share, several shares, or a share outside 0 to 1.
    """
    own = planted.filter(pl.col("data") == data)
    return np.array([[_share(own, data, topic, stance) for stance in STANCES] for topic in topics])


def _share(own: pl.DataFrame, data: str, topic: str, stance: str) -> float:
    found = own.filter(pl.col("topic") == topic, pl.col("stance") == stance)["planted"].to_list()
    if len(found) != 1 or found[0] is None or not 0 <= found[0] <= 1:
        raise ArtifactError(f"planted shares, data {data}, topic {topic}, stance {stance}", found, "one share, 0 to 1")
    return float(found[0])
