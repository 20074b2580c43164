"""Read the judged answers of retrieved rows, for the other modules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from valuedrift.errors import ArtifactError
from valuedrift.statistics.panel import ALL, PROBABILITIES, is_distribution

COLUMNS = ("data", "row_id", "role", "topic", "question_id", "cosine", "question", "answer", *PROBABILITIES)


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
