"""How often each interval holds the truth, over simulated experiments."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.corrected import corrected_tables
from valuedrift.statistics.distances import JENSEN_SHANNON, TOTAL_VARIATION, jensen_shannon, total_variation
from valuedrift.statistics.labelled_sample import calibrate_stages
from valuedrift.statistics.measures import measure
from valuedrift.statistics.panel import ALL, STANCES
from valuedrift.statistics.simulation import Regime, judged_panel, labelled_answers, panels

_EQUAL = 1e-9


def coverage_table(regime: Regime, experiments: int, bootstrap: Bootstrap) -> pl.DataFrame:
    """`measure, stance, intervals, covered, width`: how many intervals hold the truth, and their mean width.

    Measures: value (at each checkpoint), magnitude, drift_time (of experiments with outcome "reached", for stances
    that truly drift) and both distances (stance "all"). With several topics, those of their mean.
    """
    value, magnitude, time, distance = (_truth(regime, bootstrap.level)[name] for name in _MEASURES)
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


def corrected_coverage(
    regime: Regime, judges: Mapping[str, FloatArray], labelled: int, experiments: int, bootstrap: Bootstrap
) -> pl.DataFrame:
    """`method, measure, stance, intervals, covered, width, bias` of corrected and raw values and drifts.

    judges: stage → (true stance, judged stance) shares · labelled: questions of each stage and topic
    bias: mean of value − truth
    """
    random = np.random.default_rng([bootstrap.seed, 2])
    value, magnitude, *_ = (_truth(regime, bootstrap.level)[name] for name in _MEASURES)
    parts = []
    for _ in range(experiments):
        panel = judged_panel(regime, judges, random, bootstrap)
        stages = calibrate_stages(labelled_answers(regime, judges, labelled, random), bootstrap)
        values, drifts = corrected_tables(panel, [regime.trajectory], stages, bootstrap)
        for name, table, truth in (("value", values, value), ("magnitude", drifts, magnitude)):
            shown = table.filter(topic=ALL).join(truth, on=[key for key in ("step", "stance") if key in truth.columns])
            raw = shown.filter(method=shown["method"][0]).with_columns(
                method=pl.lit("raw"), value="raw", low="raw_low", high="raw_high"
            )
            both = pl.concat([raw, shown]).partition_by("method", as_dict=True)
            parts += [_held(rows, name).with_columns(method=pl.lit(method)) for (method,), rows in both.items()]
    return _mean_width(pl.concat(parts), ["method", "measure", "stance"])


_MEASURES = ("value", "magnitude", "drift_time", "distance")


def _truth(regime: Regime, level: float) -> dict[str, pl.DataFrame]:
    """By measure: its truth in the column `truth`, beside the columns to join it by."""
    values, steps = regime.values, (0, *regime.steps)
    ends = values[0], values[-1]
    times = regime.true_times(level)
    distances = {TOTAL_VARIATION: total_variation(*ends), JENSEN_SHANNON: jensen_shannon(*ends)}
    return {
        "value": pl.DataFrame(
            {"step": np.repeat(steps, len(STANCES)), "stance": STANCES * len(steps), "truth": values.ravel()}
        ),
        "magnitude": pl.DataFrame({"stance": STANCES, "truth": ends[1] - ends[0]}),
        "drift_time": pl.DataFrame({"stance": STANCES, "truth": times}).filter(pl.col("truth") > 0),
        "distance": pl.DataFrame(
            {"measure": list(distances), "truth": [float(one) for one in distances.values()], "stance": ALL}
        ),
    }


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
