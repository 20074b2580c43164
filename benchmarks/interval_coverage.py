"""How often the intervals hold the truth, in simulated experiments, as Markdown.

    python benchmarks/interval_coverage.py --experiments 500 --out coverage.md

The coverage table of docs/statistics.md are this output; 1,000 experiments take about ten minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import polars as pl
from simulation import RARE, REGIMES, Regime, panels

from valuedrift.files import write_text
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.distances import JENSEN_SHANNON, TOTAL_VARIATION, jensen_shannon, total_variation
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import ALL, STANCES

MEASURES = ("value", "magnitude", "drift_time", TOTAL_VARIATION, JENSEN_SHANNON)
_EQUAL = 1e-9


def coverage_table(regime: Regime, experiments: int, bootstrap: Bootstrap) -> pl.DataFrame:
    """How many intervals hold the truth, and their mean width: `measure, stance, intervals, covered, width`.

    Measures: value (at each checkpoint), magnitude, drift_time (of experiments with outcome "reached", for stances
    that truly drift) and both distances (stance "all"). With several topics, those of their mean.
    """
    value, magnitude, time, distance = _truth(regime, bootstrap.level)
    parts = []
    for panel in panels(regime, experiments, bootstrap):
        found = measure(panel, [regime.trajectory], bootstrap)
        own = (pl.col("topic") == ALL) == (regime.topics > 1)
        parts += [
            _held(found.values.filter(own).join(value, on=["step", "stance"]), "value"),
            _held(found.drift.filter(own).join(magnitude, on="stance"), "magnitude"),
            _held(found.drift.filter(own).drop_nulls("time").join(time, on="stance"), "drift_time", "time_"),
            *(
                _held(found.distances.filter(own, measure=name).join(distance, on="measure"), name)
                for name in (TOTAL_VARIATION, JENSEN_SHANNON)
            ),
        ]
    return _mean_width(pl.concat(parts), ["measure", "stance"])


def _truth(regime: Regime, level: float) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The true values, magnitudes, drift times and distances in the column `truth`, beside the columns to join on."""
    values, steps = regime.values, (0, *regime.steps)
    ends = values[0], values[-1]
    distances = {TOTAL_VARIATION: total_variation(*ends), JENSEN_SHANNON: jensen_shannon(*ends)}
    return (
        pl.DataFrame({"step": np.repeat(steps, len(STANCES)), "stance": STANCES * len(steps), "truth": values.ravel()}),
        pl.DataFrame({"stance": STANCES, "truth": ends[1] - ends[0]}),
        pl.DataFrame({"stance": STANCES, "truth": regime.true_times(level)}).filter(pl.col("truth") > 0),
        pl.DataFrame({"measure": list(distances), "truth": [float(one) for one in distances.values()], "stance": ALL}),
    )


def _held(rows: pl.DataFrame, measure: str, prefix: str = "") -> pl.DataFrame:
    low, high = pl.col(f"{prefix}low"), pl.col(f"{prefix}high")
    held = (low <= pl.col("truth") + _EQUAL) & (high >= pl.col("truth") - _EQUAL)
    value = pl.col("time" if prefix else "value" if "value" in rows.columns else "magnitude")
    return rows.group_by("stance", maintain_order=True).agg(
        pl.lit(measure).alias("measure"),
        pl.len().alias("intervals"),
        held.sum().alias("covered"),
        (high - low).sum().alias("width"),
        (value - pl.col("truth")).sum().alias("bias"),
    )


def _mean_width(counts: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    total = counts.group_by(keys, maintain_order=True).agg(pl.col("intervals", "covered", "width", "bias").sum())
    return total.with_columns(pl.col("width", "bias") / pl.col("intervals"))


def plain(experiments: int, bootstrap: Bootstrap) -> str:
    rows = []
    for regime in (*REGIMES, RARE):
        print(f"coverage: {regime.name}", file=sys.stderr, flush=True)
        found = shares(coverage_table(regime, experiments, bootstrap), "measure")
        rows.append([regime.name, *(cell(found.get(measure)) for measure in MEASURES)])
    return markdown(["regime", *MEASURES], rows)


def shares(table: pl.DataFrame, key: str) -> dict[str, list[float]]:
    """By `key`: the share of its intervals that hold the truth, then the lowest and highest share of one stance."""
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
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    given = parser.parse_args()
    bootstrap = Bootstrap(seed=given.seed, replicates=given.replicates)
    text = "\n".join(
        [
            f"{given.experiments} experiments each, {given.replicates} replicates, seed {given.seed}.\n",
            plain(given.experiments, bootstrap),
        ]
    )
    print(text)
    if given.out:
        write_text(given.out, text)


if __name__ == "__main__":
    main()
