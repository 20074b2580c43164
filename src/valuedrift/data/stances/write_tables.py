"""Write the tables about data sets from judged answers, as the pipeline's jobs do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.data.stances.judged_rows import read_judged
from valuedrift.data.stances.nearest_examples import movers, nearest_examples
from valuedrift.data.stances.prediction import prediction_errors, prediction_table
from valuedrift.data.stances.recovery import (
    gap_recovery,
    mean_errors,
    planted_judgements,
    retrieval_quality,
    share_recovery,
)
from valuedrift.data.stances.stance_shares import share_table
from valuedrift.data.stances.value_gaps import gap_summary, gap_table
from valuedrift.files import write_json, write_parquet
from valuedrift.statistics.bootstrap import Bootstrap


def write_expression(judged: Sequence[Path], settings: Mapping[str, Any], seed: int, examples: int, out: Path) -> None:
    """Write EXPRESSION into `out`: stances and value gaps of each data set, and `examples` nearest rows per stance."""
    bootstrap = Bootstrap(seed=seed, **settings)
    answers = read_judged(judged)
    gaps = gap_table(answers)
    write_parquet(out / "shares.parquet", share_table(answers, bootstrap))
    write_parquet(out / "gaps.parquet", gaps)
    write_parquet(out / "gap_summary.parquet", gap_summary(gaps, bootstrap))
    write_parquet(out / "nearest.parquet", nearest_examples(answers, examples))


def write_recovery(judged: Sequence[Path], expression: Path, tables: Mapping[str, Sequence[str]], out: Path) -> None:
    """Write RECOVERY into `out`, for the data sets of a world.

    Args:
        judged: Judged answers of the data sets.
        expression: The folder that `write_expression` filled.
        tables: Data set → its training and validation tables, which contain the planted stances.
        out: Folder to write into.
    """
    planted = pl.concat([planted_judgements(data, [Path(path) for path in paths]) for data, paths in tables.items()])
    shares = share_recovery(pl.read_parquet(expression / "shares.parquet"), planted)
    gaps = gap_recovery(pl.read_parquet(expression / "gap_summary.parquet"), planted)
    write_parquet(out / "shares.parquet", shares)
    write_parquet(out / "gaps.parquet", gaps)
    write_parquet(out / "retrieval.parquet", retrieval_quality(read_judged(judged), planted))
    write_json(out / "errors.json", {"shares": mean_errors(shares).to_dicts(), "gaps": mean_errors(gaps).to_dicts()})


def write_prediction(expression: Path, statistics: Path, settings: Mapping[str, Any], seed: int, out: Path) -> None:
    """Write PREDICTION into `out`: one model's values predicted from its SFT data, and the data that moved them.

    Args:
        expression: The folder that `write_expression` filled.
        statistics: The folder that `write_statistics` filled.
        settings: `replicates` and `level` of `Bootstrap`.
        seed: Seed of the bootstrap.
        out: Folder to write into.
    """
    values, drift = (pl.read_parquet(statistics / f"{name}.parquet") for name in ("values", "drift"))
    predictions = prediction_table(pl.read_parquet(expression / "shares.parquet"), values, drift)
    write_parquet(out / "predictions.parquet", predictions)
    write_parquet(out / "errors.parquet", prediction_errors(predictions, Bootstrap(seed=seed, **settings)))
    write_parquet(out / "movers.parquet", movers(pl.read_parquet(expression / "nearest.parquet"), drift))
