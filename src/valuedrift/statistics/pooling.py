"""Partial pooling of a run's drifts over topics: each is drawn towards their mean, the more, the noisier it is."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.optimize import brentq
from scipy.special import stdtrit

from valuedrift.statistics.bootstrap import FloatArray
from valuedrift.statistics.panel import ALL

_FEWEST = 4


def with_pooled(drift: pl.DataFrame, level: float) -> pl.DataFrame:
    """Add `pooled, pooled_low, pooled_high` and `tau` of each run and stance, from `magnitude` and `error`.

    They are null for topic "all", with fewer than four topics, and where a topic has no standard error.
    """
    table = drift.with_row_index("place")
    single = table.filter(pl.col("topic") != ALL)
    parts = []
    for own in single.partition_by("model", "run", "stance"):
        values, errors = own["magnitude"].to_numpy(), own["error"].fill_null(np.inf).to_numpy()
        if own.height >= _FEWEST and np.isfinite(errors).all() and (errors > 0).all():
            pooled, low, high, tau = partial_pooling(values, errors, own["questions"].to_numpy() - 1.0, level)
            columns = {"place": own["place"], "pooled": pooled, "pooled_low": low, "pooled_high": high, "tau": tau}
            parts.append(pl.DataFrame(columns))
    numbers = dict.fromkeys(("pooled", "pooled_low", "pooled_high", "tau"), pl.Float64)
    schema = {"place": pl.UInt32, **numbers}
    known = pl.concat([pl.DataFrame(schema=schema), *parts])
    return table.join(known, on="place", how="left", maintain_order="left").drop("place")


def partial_pooling(
    values: FloatArray, errors: FloatArray, freedom: FloatArray, level: float
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Return the pooled values with their intervals, and τ.

    The true values of the topics scatter by τ around their mean μ (random effects; τ by Paule and Mandel 1982). Each
    value is drawn to μ by its share of noise, se² / (se² + τ²). The intervals allow for the uncertainty of μ and τ
    (Morris 1983).

    Args:
        values: (topics,), at least four.
        errors: Their standard errors, above 0.
        freedom: Degrees of freedom of the errors.
        level: Level of the intervals.
    """
    count, variance = len(values), np.square(errors)

    def centre(between: float) -> tuple[float, float]:
        """Return the weighted mean, and how far the values scatter around it beyond what is expected."""
        weights = 1 / (variance + between)
        mean = float(weights @ values / weights.sum())
        return mean, float(weights @ np.square(values - mean)) - (count - 1)

    top = float(np.square(values - values.mean()).sum()) + 1e-12
    between = float(brentq(lambda one: centre(one)[1], 0.0, top)) if centre(0.0)[1] > 0 else 0.0
    mean, _ = centre(between)
    noise = variance / (variance + between) * (count - 3) / (count - 1)
    weights = 1 / (variance + between)
    own = variance * (1 - (1 - weights / weights.sum()) * noise)
    unsure = 2 / (count - 3) * np.square(noise * (values - mean))
    half = stdtrit(freedom, (1 + level) / 2) * np.sqrt(own + unsure)
    pooled = values - noise * (values - mean)
    return pooled, pooled - half, pooled + half, float(np.sqrt(between))
