"""Compare planted with measured stances: whether the analysis recovers what is planted in a world's data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from valuedrift.data.stances.stance_shares import share_table
from valuedrift.data.stances.value_gaps import gap_summary, gap_table
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.panel import ALL, PROBABILITIES, STANCES

_STANCE_COLUMNS = {"true_stance": "answer", "chosen_stance": "chosen", "rejected_stance": "rejected"}
_KEYS = ("data", "role", "topic", "stance", "measure")
_NONE = Bootstrap(replicates=2)  # planted numbers have no interval
_SCHEMA = {
    **dict.fromkeys(("data", "row_id", "role", "topic"), pl.String),
    **dict.fromkeys(PROBABILITIES, pl.Float64),
}


def planted_judgements(data: str, tables: Sequence[Path]) -> pl.DataFrame:
    """Return the judgements of perfect retrieval and a perfect judge, for a data set with planted stances.

    Columns: `data, row_id, role, topic` and the probabilities, which are 0 or 1; one line per row and answer. Rows
    without planted stances are left out.
    """
    found = [pl.DataFrame(schema=_SCHEMA)]
    for rows in map(pl.read_parquet, tables):
        for column, role in _STANCE_COLUMNS.items():
            if {"topic", column} <= set(rows.columns):
                planted = rows.drop_nulls(["topic", column])
                certain = {f"p_{stance}": (pl.col(column) == stance).cast(pl.Float64) for stance in STANCES}
                found.append(
                    planted.select(data=pl.lit(data), row_id="id", role=pl.lit(role), topic="topic", **certain)
                )
    return pl.concat(found)


def share_recovery(shares: pl.DataFrame, planted: pl.DataFrame) -> pl.DataFrame:
    """Return planted and measured shares: `data, role, topic, stance, planted, measured, low, high`.

    `measured` is null for a topic without retrieved rows.

    Args:
        shares: A table of `share_table`.
        planted: A table of `planted_judgements`; only its data sets are compared.
    """
    return _beside(shares.rename({"share": "value"}), share_table(planted, _NONE).rename({"share": "value"}))


def gap_recovery(summary: pl.DataFrame, planted: pl.DataFrame) -> pl.DataFrame:
    """Return planted and measured value gaps (`gap_summary`): `data, topic, measure, planted, measured, low, high`."""
    return _beside(summary, gap_summary(gap_table(planted), _NONE))


def mean_errors(recovery: pl.DataFrame) -> pl.DataFrame:
    """Return the errors per data set (and role or measure): `error, largest, numbers`.

    `error` is the mean of |measured − planted| over the topics (and stances), without topic "all"; `largest` is the
    maximum; `numbers` is the number of rows.
    """
    keys = [key for key in ("data", "role", "measure") if key in recovery.columns]
    off = (pl.col("measured") - pl.col("planted")).abs()
    each = recovery.filter(pl.col("topic") != ALL).group_by(keys, maintain_order=True)
    return each.agg(error=off.mean(), largest=off.max(), numbers=pl.len())


def retrieval_quality(judged: pl.DataFrame, planted: pl.DataFrame) -> pl.DataFrame:
    """Measure precision and coverage of the retrieval: `data, topic, rows, found, wrong, coverage, precision`.

    `rows` is the number of rows that are planted on a topic, `found` the number of these that were retrieved for it,
    and `wrong` the number of other rows that were retrieved for it. Coverage is found / rows, and precision is
    found / (found + wrong); each is null if its divisor is 0. Topic "all" is the sum over topics.
    """
    keys = ["data", "row_id", "topic"]
    retrieved = judged.filter(pl.col("data").is_in(planted["data"].unique().implode()))
    both = (planted.select(keys).unique().with_columns(true=True)).join(
        retrieved.select(keys).unique().with_columns(found=True), on=keys, how="full", coalesce=True
    )
    counts = both.group_by("data", "topic").agg(
        rows=pl.col("true").count(), found=pl.all_horizontal("true", "found").sum(), wrong=pl.col("true").null_count()
    )
    counts = counts.sort("data", "topic")
    total = counts.group_by("data", maintain_order=True).agg(pl.lit(ALL).alias("topic"), pl.exclude("topic").sum())
    shown = pl.col("found") + pl.col("wrong")
    return pl.concat([counts, total]).with_columns(
        coverage=pl.when(pl.col("rows") > 0).then(pl.col("found") / pl.col("rows")),
        precision=pl.when(shown > 0).then(pl.col("found") / shown),
    )


def _beside(measured: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    keys = [key for key in _KEYS if key in measured.columns]
    planted = truth.select(*keys, planted="value")
    found = measured.select(*keys, "low", "high", measured="value")
    return planted.join(found, on=keys, maintain_order="left").select(*keys, "planted", "measured", "low", "high")
