"""Tables beside the paper's: what its text states of data sets, and drifts corrected for the judge's errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.paper.corrected_figures import METHODS
from valuedrift.paper.display_order import Topics, topic_name
from valuedrift.paper.paper_numbers import PAPER_SHARES
from valuedrift.paper.table_files import MISSING, Table
from valuedrift.paper.tables import signed
from valuedrift.paper.topic_tables import PAPER_SUITE
from valuedrift.statistics.panel import ALL
from valuedrift.titles import data_title, full_title, model_title


def stated_shares_table(shares: pl.DataFrame, suite: str) -> list[Table]:
    """The stance shares of SFT data that the paper's text states (appendix K.2) beside ours; nothing of other suites.

    shares: as `valuedrift.dataset_stances` writes it
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


def corrected_tables(files: Iterable[Path], topics: Topics) -> list[Table]:
    """Each model's drifts corrected for the judge's errors beside the raw ones; files: in a folder a model."""
    return [_corrected_table(path.parent.name, pl.read_parquet(path), topics) for path in files]


def _corrected_table(model: str, drift: pl.DataFrame, topics: Topics) -> Table:
    by_method = {method: drift.filter(method=method).iter_rows(named=True) for method in METHODS}
    rows = [
        {
            "Run": full_title(one["run"]),
            "Topic": topic_name(topics, one["topic"]),
            "Stance": one["stance"],
            "As judged": _estimate(one, "raw", "raw_low", "raw_high"),
            **{METHODS[row["method"]].capitalize(): _estimate(row, "value", "low", "high") for row in (one, *others)},
        }
        for one, *others in zip(*by_method.values(), strict=True)
    ]
    caption = (
        f"Drift magnitudes of {model_title(model)}, as judged and corrected for the judge's errors, with intervals."
    )
    refused = drift["refused"].drop_nulls().unique(maintain_order=True)
    return Table(f"corrected_drift_{model}", caption, pl.DataFrame(rows), tuple(f"Refused: {why}." for why in refused))


def _estimate(row: Mapping[str, Any], value: str, low: str, high: str) -> str:
    return MISSING if row[value] is None else f"{signed(row[value])} [{signed(row[low])}, {signed(row[high])}]"
