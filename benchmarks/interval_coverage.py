"""How often the intervals hold the truth, in simulated experiments, as Markdown.

    python benchmarks/interval_coverage.py --experiments 500 --out coverage.md

The coverage tables of docs/statistics_evidence.md are this output; 1,000 experiments take about half an hour on one
core.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from simulation import RARE, REGIMES, Regime, panels

from valuedrift.files import write_text
from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.distances import JENSEN_SHANNON, TOTAL_VARIATION, jensen_shannon, total_variation
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import ALL, STANCES
from valuedrift.statistics.root_mean_square import root_mean_square
from valuedrift.statistics.times import SHARES

MEASURES = ("value", "band", "magnitude", "rms", *SHARES, TOTAL_VARIATION, JENSEN_SHANNON)
TOGETHER = 11
"""Topics whose magnitudes one root mean square is over, as in the paper."""
_EQUAL = 1e-9


def coverage_table(regime: Regime, experiments: int, bootstrap: Bootstrap) -> pl.DataFrame:
    """How many intervals hold the truth, and their mean width: `measure, stance, intervals, covered, width`.

    Measures: value (at each checkpoint), band (all values of a trajectory), magnitude, rms (of TOGETHER topics), t50
    and t90 (of real drifts, for stances that truly drift) and both distances. With several topics, those of their mean.
    """
    value, magnitude, distance = _truth(regime)
    parts = []
    for panel in panels(regime, experiments, bootstrap):
        found = measure(panel, [regime.trajectory], bootstrap)
        own = (pl.col("topic") == ALL) == (regime.topics > 1)
        parts += [
            _held(found.values.filter(own).join(value, on=["step", "stance"]), "value"),
            _held_bands(found.values.filter(own).join(value, on=["step", "stance"])),
            _held(found.drift.filter(own).join(magnitude, on="stance"), "magnitude"),
            _held_rms(found.runs[0].questions, regime),
            *(
                _held(found.drift.filter(own).drop_nulls(name).join(_crossings(regime, share), on="stance"), name, name)
                for name, share in SHARES.items()
            ),
            *(
                _held(found.distances.filter(own, measure=name).join(distance, on="measure"), name)
                for name in (TOTAL_VARIATION, JENSEN_SHANNON)
            ),
        ]
    return _mean_width(pl.concat(parts), ["measure", "stance"])


def _truth(regime: Regime) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The true values, magnitudes and distances in the column `truth`, beside the columns to join on."""
    values, steps = regime.values, (0, *regime.steps)
    ends = values[0], values[-1]
    distances = {TOTAL_VARIATION: total_variation(*ends), JENSEN_SHANNON: jensen_shannon(*ends)}
    return (
        pl.DataFrame({"step": np.repeat(steps, len(STANCES)), "stance": STANCES * len(steps), "truth": values.ravel()}),
        pl.DataFrame({"stance": STANCES, "truth": ends[1] - ends[0]}),
        pl.DataFrame({"measure": list(distances), "truth": [float(one) for one in distances.values()], "stance": ALL}),
    )


def _crossings(regime: Regime, share: float) -> pl.DataFrame:
    truth = pl.DataFrame({"stance": STANCES, "truth": regime.true_crossings(share)})
    return truth.filter(pl.col("truth").is_not_nan())


def _held_bands(rows: pl.DataFrame) -> pl.DataFrame:
    low, high, truth = pl.col("band_low"), pl.col("band_high"), pl.col("truth")
    inside = (low <= truth + _EQUAL) & (high >= truth - _EQUAL)
    each = rows.group_by("topic").agg(inside=inside.all(), width=(high - low).mean())
    return _counts("band", each["inside"].sum(), each.height, each["width"].sum())


def _held_rms(questions: Sequence[FloatArray], regime: Regime) -> pl.DataFrame:
    change = regime.values[-1] - regime.values[0]
    truth = float(np.sqrt(np.mean(np.square(change))))
    size = TOGETHER if regime.topics == 1 else regime.topics
    groups = [questions[first : first + size] for first in range(0, len(questions), size)]
    ends = [
        root_mean_square([topic[1] - topic[0] for topic in group], answers=regime.answers).bounds(0.025)
        for group in groups
        if len(group) == size
    ]
    covered = sum(low <= truth + _EQUAL and high >= truth - _EQUAL for low, high in ends)
    return _counts("rms", covered, len(ends), sum(high - low for low, high in ends))


def _counts(measure: str, covered: int, intervals: int, width: float) -> pl.DataFrame:
    counts = {"stance": ALL, "measure": measure, "intervals": intervals, "covered": covered, "width": width}
    kinds = {"intervals": pl.UInt32, "covered": pl.UInt32}
    return pl.DataFrame([{**counts, "bias": 0.0}], schema_overrides=kinds)


def _held(rows: pl.DataFrame, measure: str, name: str = "") -> pl.DataFrame:
    low, high = (pl.col(f"{name}_{end}" if name else end) for end in ("low", "high"))
    held = (low <= pl.col("truth") + _EQUAL) & (high >= pl.col("truth") - _EQUAL)
    value = pl.col(name or ("value" if "value" in rows.columns else "magnitude"))
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
    rows, widths = [], []
    for regime in (*REGIMES, RARE):
        print(f"coverage: {regime.name}", file=sys.stderr, flush=True)
        table = coverage_table(regime, experiments, bootstrap)
        found = shares(table, "measure")
        rows.append([regime.name, *(cell(found.get(measure)) for measure in MEASURES)])
        widths.append([regime.name, *(width(table, measure) for measure in MEASURES)])
    return markdown(["regime", *MEASURES], rows) + "\nMean widths:\n\n" + markdown(["regime", *MEASURES], widths)


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
    if math.isnan(found[0]):
        return "–"
    share, low, high = (f"{one:.1%}" for one in found)
    return share if low == high else f"{share} ({low} to {high})"


def width(table: pl.DataFrame, measure: str) -> str:
    own = table.filter(measure=measure)
    return (
        "–"
        if own["intervals"].sum() == 0
        else f"{(own['width'] * own['intervals']).sum() / own['intervals'].sum():.2f}"
    )


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
