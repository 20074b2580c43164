"""Shuffle more rows than memory holds: distribute them over buckets by their order keys, then sort each bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from valuedrift.data.split import order_key, shuffle
from valuedrift.data_formats.canonical import SCHEMAS, CanonicalRow, Kind

_BUCKETS = 64
_PART = 200  # rows of a bucket that are in memory before they are written
_GROUP = 1_000  # rows of the ordered table that are read together


@dataclass(frozen=True)
class OrderedRows:
    """A table on disk in the order of its keys, its number of rows, and the number of rows that repeat earlier ones."""

    table: pl.LazyFrame
    rows: int
    duplicates: int


def order_rows(rows: Iterable[CanonicalRow], kind: Kind, seed: int, folder: Path, keep_duplicates: bool) -> OrderedRows:
    """Write the rows in the order of `split.shuffle` to new files in `folder`, which must exist as long as the table.

    Among rows with the same texts, the first in this order is kept, or all with `keep_duplicates`. Columns that a
    format adds follow the canonical ones.
    """
    columns = pl.DataFrame(schema=SCHEMAS[kind])
    buckets: dict[int, list[Path]] = {}
    for bucket, part in _parts(rows, seed):
        table = pl.DataFrame(part, schema_overrides=SCHEMAS[kind], infer_schema_length=None)
        columns = pl.concat([columns, table.clear()], how="diagonal_relaxed")
        paths = buckets.setdefault(bucket, [])
        paths.append(folder / f"{bucket:02}-{len(paths):06}.parquet")
        table.write_parquet(paths[-1], compression="lz4")
    # all rows of an id are in the same bucket, and every key of a bucket is less than those of the next bucket
    sorted_buckets = [_sort(columns, buckets[bucket], seed, keep_duplicates) for bucket in sorted(buckets)]
    return OrderedRows(
        table=pl.scan_parquet([path for path, _, _ in sorted_buckets], glob=False) if buckets else columns.lazy(),
        rows=sum(kept for _, kept, _ in sorted_buckets),
        duplicates=sum(duplicates for _, _, duplicates in sorted_buckets),
    )


def _parts(rows: Iterable[CanonicalRow], seed: int) -> Iterator[tuple[int, list[CanonicalRow]]]:
    """Yield (bucket, some of its rows) until all rows have been yielded."""
    waiting: list[list[CanonicalRow]] = [[] for _ in range(_BUCKETS)]
    for row in rows:
        bucket = int(order_key(seed, row["id"])[:4], 16) * _BUCKETS // 16**4
        waiting[bucket].append(row)
        if len(waiting[bucket]) == _PART:
            yield bucket, waiting[bucket]
            waiting[bucket] = []
    yield from ((bucket, part) for bucket, part in enumerate(waiting) if part)


def _sort(columns: pl.DataFrame, parts: Sequence[Path], seed: int, keep_duplicates: bool) -> tuple[Path, int, int]:
    """Replace the parts of a bucket by one sorted file; return its path, its number of rows and of duplicates."""
    tables = [pl.read_parquet(path, glob=False) for path in parts]
    table = shuffle(pl.concat([columns, *tables], how="diagonal_relaxed"), seed)
    first = table.unique("id", keep="first", maintain_order=True)
    kept = table if keep_duplicates else first
    for path in parts:
        path.unlink()
    kept.write_parquet(parts[0], compression="lz4", row_group_size=_GROUP)
    return parts[0], kept.height, table.height - first.height
