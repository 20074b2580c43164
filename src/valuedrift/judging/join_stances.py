"""Join the stances that several judges gave the same answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from valuedrift.errors import ArtifactError
from valuedrift.files import write_parquet
from valuedrift.statistics.panel import KEYS, PROBABILITIES, STANCES
from valuedrift.templates import prompt_hash

MEAN, MAJORITY = "mean", "majority"
_OF_ONE = ("samples", "judge_latency", *(f"{name}_se" for name in PROBABILITIES))


def write_joined_stances(files: Sequence[Path], judges: Sequence[str], judged_by: str, out: Path) -> None:
    """Write the stances by one of several judges, or `joined_stances`.

    Args:
        files: The stance table of each judge.
        judges: The judges' names.
        judged_by: One of the names, MEAN or MAJORITY.
        out: Table to write.

    Raises:
        ArtifactError: The tables don't have the same answers in the same order.
    """
    tables = [pl.read_parquet(file) for file in files]
    answers = tables[0].select(*KEYS, "answer")
    for file, table in zip(files, tables, strict=True):
        if not table.select(*KEYS, "answer").equals(answers):
            raise ArtifactError(file, "other answers", f"the answers of {files[0]}", "Remove both, and judge again.")
    is_own = judged_by in judges
    write_parquet(out, tables[judges.index(judged_by)] if is_own else joined_stances(tables, judges, judged_by))


def joined_stances(tables: Sequence[pl.DataFrame], judges: Sequence[str], judged_by: str) -> pl.DataFrame:
    """Return one stance per answer, of the judges that gave it one.

    MEAN: the mean of their probabilities. MAJORITY: 1 for the stance that most of them find most probable; stances with
    equally many judges share it. `unassigned` and `p_bound` are means, and `judge_tokens` is a sum. An answer without a
    stance has the first judge's flag.
    """
    given = np.stack([table.select(PROBABILITIES).to_numpy() for table in tables])
    judged = ~np.isnan(given).any(axis=2, keepdims=True)
    if judged_by == MAJORITY:
        votes = (np.eye(len(STANCES))[np.nan_to_num(given).argmax(axis=2)] * judged).sum(axis=0)
        shares = ((votes == votes.max(axis=1, keepdims=True)) & (votes > 0)).astype(np.float64)
    else:
        shares = np.where(judged, given, 0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        stances = shares / shares.sum(axis=1, keepdims=True)
    hashes = " ".join(table["prompt_hash"][0] for table in tables)
    joined = tables[0].with_columns(
        *(pl.Series(p, stances[:, i], nan_to_null=True) for i, p in enumerate(PROBABILITIES)),
        *(pl.mean_horizontal(table[name] for table in tables).alias(name) for name in ("unassigned", "p_bound")),
        judge_tokens=pl.sum_horizontal(table["judge_tokens"] for table in tables),
        judge=pl.lit(f"{judged_by} of {', '.join(judges)}"),
        prompt_hash=pl.lit(prompt_hash(hashes)),
        **{name: pl.lit(None, tables[0].schema[name]) for name in _OF_ONE},
    )
    return joined.with_columns(flag=pl.when(pl.col(PROBABILITIES[0]).is_null()).then("flag"))
