"""Write the pieces of drift cards: everything that is known about the drift of a run on a topic, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.paper.drift_tables import time_text
from valuedrift.paper.table_formats import MISSING
from valuedrift.report.pieces import write_piece
from valuedrift.report.words import (
    MOVED,
    WITHIN_NOISE,
    Row,
    among_healthy,
    bracket,
    change,
    crossed,
    ill,
    interval,
    pooled,
    small,
    span,
    verdict,
)
from valuedrift.statistics.panel import ALL, STANCES


def write_cards(drift: pl.DataFrame, out: Path) -> None:
    """Write a piece `drifts/<model>` per model: run → topic → the drifts of the three stances.

    `drift` has the columns of `with_verdicts`.
    """
    for (model,), own in drift.partition_by("model", as_dict=True).items():
        cells = own.partition_by("run", "topic", as_dict=True, maintain_order=True)
        runs: dict[str, dict[str, Any]] = {}
        for (run, topic), rows in cells.items():
            stances = {row["stance"]: _drift(row) for row in rows.iter_rows(named=True)}
            runs.setdefault(str(run), {})[str(topic)] = [stances[stance] for stance in STANCES if stance in stances]
        write_piece(out, f"drifts/{model}", runs)


def _drift(row: Row) -> dict[str, Any]:
    """Return a drift's verdict, the steps between which its extremum was reached, and the lines of its card."""
    return {
        "stance": row["stance"],
        "is_real": row["verdict"] in (MOVED, WITHIN_NOISE),
        "verdict": verdict(row),
        "reached": None if row["step_reached"] is None else [row["step_before"], row["step_reached"]],
        "unhealthy": ill(row),
        "lines": [
            ["Verdict", verdict(row)],
            ["From → to", span(row)],
            ["M", change(row["magnitude"])],
            ["95 % interval", interval(row)],
            ["q-value", small(row["q_value"])],
            ["Noise floor", small(row["noise_floor"])],
            ["η", time_text(row)],
            ["Reached", bracket(row) or MISSING],
            ["t50", crossed(row, "t50") or MISSING],
            ["t90", crossed(row, "t90") or MISSING],
            ["Pooled over topics", MISSING if row["topic"] == ALL else pooled(row)],
            ["Among healthy answers", among_healthy(row)],
        ],
    }
