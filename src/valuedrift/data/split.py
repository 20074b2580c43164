"""Order, sample and split rows by their ids alone: the order of the source never matters."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import polars as pl


def order_key(seed: int, id: str) -> str:
    """The hex SHA-256 by which rows are ordered: a shuffle that depends on `seed` and the id alone."""
    return hashlib.sha256(f"{seed}:{id}".encode()).hexdigest()


def shuffle(table: pl.DataFrame, seed: int) -> pl.DataFrame:
    """`table` in the order of its keys; rows that share an id, and so their texts, are ordered by extra columns."""
    key = pl.Series("key", [order_key(seed, id) for id in table["id"]], dtype=pl.String)
    extras = [name for name, dtype in table.schema.items() if not dtype.is_nested()]
    return table.sort(by=[key, *extras], maintain_order=True)


def train_count(rows: int, validation: float) -> int:
    """floor((1 - validation) * rows), exact for `validation` as it is written in decimals: 0.1 is one tenth."""
    return int((1 - Fraction(str(validation))) * rows)


def split(table: pl.DataFrame, validation: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(train, validation): a shuffled table cut in two. Rows with one id stay together, save at the cut itself."""
    cut = train_count(table.height, validation)
    return table[:cut], table[cut:]
