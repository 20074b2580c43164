"""Tables beside the paper's: what its text states of data sets, and drifts corrected for the judge's errors."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from valuedrift.reporting.labels import data_title
from valuedrift.reporting.paper import PAPER_SHARES
from valuedrift.reporting.table_files import MISSING, Table
from valuedrift.reporting.topic_tables import PAPER_SUITE
from valuedrift.statistics.panel import ALL


def stated_shares_table(shares: pl.DataFrame, suite: str) -> list[Table]:
    """The stance shares of SFT data that the paper's text states (appendix K.2) beside ours; nothing of other suites.

    shares: as `valuedrift.expression` writes it
    """
    if suite != PAPER_SUITE:
        return []
    own = shares.filter(pl.col("role") == "answer", pl.col("topic") == ALL)
    measured = {(row["data"], row["stance"]): row["classified"] for row in own.iter_rows(named=True)}
    rows = [
        {
            "Data": data_title(data),
            "Stance": stance,
            "Paper": f"{100 * stated:.1f} %",
            "Measured": f"{100 * measured[data, stance]:.1f} %" if (data, stance) in measured else MISSING,
        }
        for (data, stance), stated in PAPER_SHARES.items()
    ]
    caption = (
        "Shares of the retrieved rows of SFT data that are classified as a stance, as the paper's text states them."
    )
    return [Table("paper_numbers_data", caption, pl.DataFrame(rows))]


def corrected_tables(files: Iterable[Path]) -> list[Table]:
    """Each model's drifts corrected for the judge's errors beside the raw ones; files: in a folder a model."""
    return [
        Table(
            f"corrected_drift_{path.parent.name}",
            f"Drifts of {path.parent.name} corrected for the judge's errors, beside the raw ones.",
            pl.read_parquet(path),
        )
        for path in files
    ]
