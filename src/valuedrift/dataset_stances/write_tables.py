"""From judged answers to the tables of what data sets express, as the pipeline's jobs write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.dataset_stances.judged_rows import COLUMNS
from valuedrift.dataset_stances.nearest_examples import movers, nearest_examples
from valuedrift.dataset_stances.prediction import prediction_errors, prediction_table
from valuedrift.dataset_stances.recovery import (
    gap_recovery,
    mean_errors,
    planted_judgements,
    retrieval_quality,
    share_recovery,
)
from valuedrift.dataset_stances.stance_shares import share_table
from valuedrift.dataset_stances.value_gaps import gap_summary, gap_table
from valuedrift.files import write_json, write_parquet
from valuedrift.statistics.bootstrap import Bootstrap


def write_expression(judged: Sequence[Path], settings: Mapping[str, Any], seed: int, examples: int, out: Path) -> None:
    """Write EXPRESSION into the folder `out`: what each data set expresses, with `examples` nearest rows a stance."""
    bootstrap = Bootstrap(seed=seed, **settings)
    answers = _read(judged)
    gaps = gap_table(answers)
    write_parquet(out / "shares.parquet", share_table(answers, bootstrap))
    write_parquet(out / "gaps.parquet", gaps)
    write_parquet(out / "gap_summary.parquet", gap_summary(gaps, bootstrap))
    write_parquet(out / "nearest.parquet", nearest_examples(answers, examples))


def write_recovery(judged: Sequence[Path], expression: Path, tables: Mapping[str, Sequence[str]], out: Path) -> None:
    """Write RECOVERY into the folder `out`, for the data sets of a world.

    expression: the folder that `write_expression` filled · tables: data set → its training and validation tables,
    which carry what was planted.
    """
    planted = pl.concat([planted_judgements(data, [Path(path) for path in paths]) for data, paths in tables.items()])
    shares = share_recovery(pl.read_parquet(expression / "shares.parquet"), planted)
    gaps = gap_recovery(pl.read_parquet(expression / "gap_summary.parquet"), planted)
    write_parquet(out / "shares.parquet", shares)
    write_parquet(out / "gaps.parquet", gaps)
    write_parquet(out / "retrieval.parquet", retrieval_quality(_read(judged), planted))
    write_json(out / "errors.json", {"shares": mean_errors(shares).to_dicts(), "gaps": mean_errors(gaps).to_dicts()})


def write_prediction(expression: Path, statistics: Path, settings: Mapping[str, Any], seed: int, out: Path) -> None:
    """Write PREDICTION into the folder `out`: one model's values as its SFT data foretells them, and what moved them.

    expression, statistics: folders as `write_expression` and `write_statistics` fill.
    """
    values, drift = (pl.read_parquet(statistics / f"{name}.parquet") for name in ("values", "drift"))
    predictions = prediction_table(pl.read_parquet(expression / "shares.parquet"), values, drift)
    write_parquet(out / "predictions.parquet", predictions)
    write_parquet(out / "errors.parquet", prediction_errors(predictions, Bootstrap(seed=seed, **settings)))
    write_parquet(out / "movers.parquet", movers(pl.read_parquet(expression / "nearest.parquet"), drift))


def _read(judged: Sequence[Path]) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path, columns=[*COLUMNS, "unassigned"]) for path in judged])
