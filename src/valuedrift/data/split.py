"""Order and split rows by their ids only: the order of the source doesn't matter."""

from __future__ import annotations

from fractions import Fraction

import polars as pl

from valuedrift.data_formats.canonical import SCHEMAS
from valuedrift.digests import text_digest

_TEXTS = {*SCHEMAS["sft"], *SCHEMAS["preference"]}  # equal wherever the ids are


def order_key(seed: int, id: str) -> str:
    """The hex SHA-256 by which rows are ordered: a shuffle that depends on `seed` and the id only."""
    return text_digest(f"{seed}:{id}")


def shuffle(table: pl.DataFrame, seed: int) -> pl.DataFrame:
    """`table` in the order of its keys; rows that share an id, and so their texts, are ordered by extra columns."""
    key = pl.Series("key", [order_key(seed, id) for id in table["id"]], dtype=pl.String)
    return table.sort(by=[key, *(name for name in table.columns if name not in _TEXTS)], maintain_order=True)


def train_count(rows: int, validation: float) -> int:
    """floor((1 - validation) * rows), exact for `validation` as it is written in decimals: 0.1 is one tenth."""
    return int((1 - Fraction(str(validation))) * rows)
