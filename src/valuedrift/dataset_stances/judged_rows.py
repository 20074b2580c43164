"""The judged answers of retrieved rows, as the other modules read them."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from valuedrift.errors import ArtifactError
from valuedrift.statistics.panel import ALL, PROBABILITIES, STANCES

COLUMNS = ("data", "row_id", "role", "topic", "question_id", "cosine", "question", "answer", *PROBABILITIES)


def require_judged(judged: pl.DataFrame) -> None:
    """Raise ArtifactError unless `judged` has COLUMNS, names no topic "all", and its probabilities are such."""
    missing = [column for column in COLUMNS if column not in judged.columns]
    if missing:
        raise ArtifactError("judged answers", judged.columns, f"the columns {', '.join(missing)} as well")
    if ALL in judged["topic"]:
        raise ArtifactError(
            "judged answers", f"topic {ALL}", "another name, as this one stands for all topics together"
        )
    p = pl.col(PROBABILITIES)
    whole = pl.all_horizontal(p.is_between(-1e-6, 1 + 1e-6)) & ((pl.sum_horizontal(p) - 1).abs() < 1e-3)
    wrong = judged.drop_nulls(PROBABILITIES).filter(~whole)
    if wrong.height:
        first = wrong.row(0, named=True)
        place = f"judged answers, data {first['data']}, row {first['row_id']}, topic {first['topic']}"
        raise ArtifactError(place, [first[name] for name in PROBABILITIES], "three probabilities that sum to 1")


def likeliest_stance() -> pl.Expr:
    """The stance of the greatest probability; of equal ones, the first of support, neutral, oppose."""
    place = pl.concat_list(PROBABILITIES).list.arg_max().cast(pl.Int64)
    return place.replace_strict(dict(enumerate(STANCES)), return_dtype=pl.String)


def parts(table: pl.DataFrame, *keys: str) -> Iterator[tuple[tuple[str, ...], pl.DataFrame]]:
    """((…keys, topic), its lines) for each value of the keys as they first occur: every topic by name, then "all"."""
    for values, own in table.group_by(keys, maintain_order=True):
        for topic in own["topic"].unique().sort():
            yield (*values, topic), own.filter(pl.col("topic") == topic)
        yield (*values, ALL), own
