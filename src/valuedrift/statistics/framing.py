"""How often the stance on a question turns with its framing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.panel import ALL, PROBABILITIES, most_probable

_CHECKPOINT = ["model", "run", "step", "topic"]
_SCHEMA = {
    **dict.fromkeys(("model", "run"), pl.String),
    "step": pl.Int64,
    "topic": pl.String,
    "groups": pl.Int64,
    **dict.fromkeys(("turned", "low", "high", "by_chance"), pl.Float64),
}


def framing_table(files: Sequence[Path], level: float) -> pl.DataFrame:
    """Return the share of groups of questions whose majority stance turns with the framing, by checkpoint and topic.

    The framings of a group are the values of `polarity` of its questions; groups with one framing don't count. The
    majority stance is the most probable one on the mean over the answers to a framing. It turns if it isn't the same
    for all framings. Polarity doesn't change stances: these are about the topic's target, however it is asked about.

    Args:
        files: Stance tables of one model.
        level: Level of the intervals (Wilson's).

    Returns:
        `model, run, step, topic, groups, turned, low, high, by_chance`; topic "all" has the groups of all topics.
        `by_chance` is the share that turns between answers of odd and of even numbers, in all framings alike. No rows
        if the questions have no groups with several framings.
    """
    rows = [pl.DataFrame(schema=_SCHEMA)]
    for file in files:
        if {"group", "polarity"} <= set(pl.read_parquet_schema(file)):
            columns = [*_CHECKPOINT, "group", "polarity", "sample", *PROBABILITIES]
            answers = pl.read_parquet(file, columns=columns).drop_nulls(["group", "polarity", *PROBABILITIES])
            framed = answers.filter(pl.col("polarity").n_unique().over(*_CHECKPOINT, "group") > 1)
            turned = _turned(framed, pl.col("polarity")).join(
                _turned(framed, pl.col("sample") % 2).rename({"turned": "by_chance"}), on=[*_CHECKPOINT, "group"]
            )
            rows += [_shares(turned, level), _shares(turned.with_columns(topic=pl.lit(ALL)), level)]
    return pl.concat(rows).sort(_CHECKPOINT)


def _turned(answers: pl.DataFrame, framing: pl.Expr) -> pl.DataFrame:
    """Return whether the majority stance of each group differs between the values of `framing`."""
    means = answers.group_by(*_CHECKPOINT, "group", framing.alias("framing")).agg(pl.col(PROBABILITIES).mean())
    majorities = means.with_columns(stance=most_probable())
    return majorities.group_by(*_CHECKPOINT, "group").agg(turned=pl.col("stance").n_unique() > 1)


def _shares(turned: pl.DataFrame, level: float) -> pl.DataFrame:
    counts = turned.group_by(_CHECKPOINT).agg(pl.col("turned", "by_chance").mean(), groups=pl.len())
    ends = [
        wilson_interval(share * groups, groups, level) for share, groups in counts.select("turned", "groups").rows()
    ]
    low, high = ([end[i] for end in ends] for i in (0, 1))
    table = counts.with_columns(low=pl.Series(low, dtype=pl.Float64), high=pl.Series(high, dtype=pl.Float64))
    return table.select(pl.col(name).cast(kind) for name, kind in _SCHEMA.items())
