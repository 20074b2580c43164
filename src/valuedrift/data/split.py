"""Order and split rows by their ids only; their order in the source has no effect."""

from __future__ import annotations

import polars as pl

from valuedrift.data_formats.canonical import SCHEMAS
from valuedrift.digests import text_digest

_TEXTS = {*SCHEMAS["sft"], *SCHEMAS["preference"]}  # rows with equal ids have equal texts


def order_key(seed: int, id: str) -> str:
    """Return a row's sort key, a hex SHA-256: the order is a shuffle that depends on `seed` and the ids only."""
    return text_digest(f"{seed}:{id}")


def shuffle(table: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return `table` sorted by its rows' keys; rows with the same id, and so the same texts, by extra columns."""
    key = pl.Series("key", [order_key(seed, id) for id in table["id"]], dtype=pl.String)
    return table.sort(by=[key, *(name for name in table.columns if name not in _TEXTS)], maintain_order=True)
