"""How often the intervals hold the truth, in simulated experiments, and the power of the paired test, as Markdown.

    .venv/bin/python benchmarks/interval_coverage.py --experiments 500 --out coverage.md

The tables of docs/statistics.md are this output; 1,000 experiments take about ten minutes of one core.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import polars as pl

from valuedrift.files import write_parquet, write_text
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.coverage import corrected_coverage, coverage_table
from valuedrift.statistics.power import power_table
from valuedrift.statistics.simulation import RARE, REGIMES, Regime

MEASURES = ("value", "magnitude", "drift_time", "total_variation", "jensen_shannon")
JUDGES = {
    "base": np.array([[0.8, 0.15, 0.05], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7]]),
    "sft": np.array([[0.75, 0.2, 0.05], [0.1, 0.85, 0.05], [0.1, 0.35, 0.55]]),
}
CORRECTED = (
    (Regime("50 questions, 50 labelled", checkpoints=1), 50),
    (Regime("20 questions, 20 labelled", questions=20, checkpoints=1), 20),
    (Regime("3 topics of 20 questions, 20 labelled of each", topics=3, questions=20, checkpoints=1), 20),
)


def plain(experiments: int, bootstrap: Bootstrap) -> str:
    rows = []
    for regime in (*REGIMES, RARE):
        print(f"coverage: {regime.name}", file=sys.stderr, flush=True)
        found = shares(coverage_table(regime, experiments, bootstrap), "measure")
        rows.append([regime.name, *(cell(found.get(measure)) for measure in MEASURES)])
    return markdown(["regime", *MEASURES], rows)


def corrected(experiments: int, bootstrap: Bootstrap) -> str:
    rows = []
    for regime, labelled in CORRECTED:
        print(f"coverage, corrected: {regime.name}", file=sys.stderr, flush=True)
        table = corrected_coverage(regime, JUDGES, labelled, experiments, bootstrap)
        for method in ("raw", "inverse_confusion", "prediction_powered"):
            own = table.filter(method=method)
            found = shares(own, "measure")
            off = own.filter(measure="value").select(pl.col("bias").abs().max()).item()
            width = own.filter(measure="value").select(pl.col("width").mean()).item()
            cells = [cell(found["value"]), cell(found["magnitude"]), f"{off:.3f}", f"{width:.2f}"]
            rows.append([regime.name, method, *cells])
    return markdown(["regime", "method", "value", "magnitude", "largest bias", "width of a value's"], rows)


def power(table: pl.DataFrame) -> str:
    wide = table.pivot("questions", index="magnitude", values="power")
    rows = [[f"{row[0]:.3f}", *(f"{one:.2f}" for one in row[1:])] for row in wide.iter_rows()]
    return markdown(["true magnitude", *(f"{name} questions" for name in wide.columns[1:])], rows)


def shares(table: pl.DataFrame, key: str) -> dict[str, list[float]]:
    """By `key`: the share of all its intervals that held the truth, and the lowest and highest of a stance."""
    own = pl.col("covered") / pl.col("intervals")
    found = table.group_by(key).agg(
        pl.col("covered").sum() / pl.col("intervals").sum(), own.min().alias("low"), own.max().alias("high")
    )
    return {name: list(numbers) for name, *numbers in found.iter_rows()}


def cell(found: list[float] | None) -> str:
    if found is None:
        return "–"
    share, low, high = (f"{one:.1%}" for one in found)
    return share if low == high else f"{share} ({low} to {high})"


def markdown(names: list[str], rows: list[list[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=500)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="Markdown file; the power table goes beside it as power.parquet")
    given = parser.parse_args()
    bootstrap = Bootstrap(seed=given.seed, replicates=given.replicates)
    table = power_table(experiments=4 * given.experiments, bootstrap=bootstrap)
    text = "\n".join(
        [
            f"{given.experiments} experiments each, {given.replicates} replicates, seed {given.seed}.\n",
            plain(given.experiments, bootstrap),
            corrected(given.experiments, bootstrap),
            power(table),
        ]
    )
    print(text)
    if given.out:
        write_text(given.out, text)
        write_parquet(given.out.with_name("power.parquet"), table)


if __name__ == "__main__":
    main()
