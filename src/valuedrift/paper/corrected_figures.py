"""Drifts as judged and as corrected for the judge's errors, side by side."""

from __future__ import annotations

import altair as alt
import polars as pl

from valuedrift.paper import style
from valuedrift.statistics.corrected import CONFUSION, POWERED
from valuedrift.statistics.panel import STANCES

RAW = "raw"
METHODS = {POWERED: "prediction-powered", CONFUSION: "inverse confusion"}
"""Method of correction → its title."""
ORDER = (RAW, *METHODS)
"""What is shown of each stance, from top to bottom."""

_FILLED = {RAW: True, POWERED: False}
_STEP = 10
_AXIS = alt.Axis(tickCount=5, labelExpr="datum.value === 0 ? '0' : format(datum.value, '+.1f')")


def by_method(drift: pl.DataFrame) -> pl.DataFrame:
    """`stance, shown` (of ORDER), `value, low, high` of a run's corrected drifts on one topic; nothing where refused.

    drift: rows of corrected_drift, a row a method and stance
    """
    raw = drift.unique("stance", maintain_order=True).select(
        "stance", pl.lit(RAW).alias("shown"), value="raw", low="raw_low", high="raw_high"
    )
    corrected = drift.select("stance", pl.col("method").alias("shown"), "value", "low", "high")
    return pl.concat([raw, corrected.drop_nulls()])


def corrected_panel(drift: pl.DataFrame, reach: float) -> alt.LayerChart:
    """One run's three stances on one topic: as judged a filled point, prediction-powered a hollow one, by inverse
    confusion an upright stroke, each with its interval. reach: the axis goes from −reach to +reach."""
    base = alt.Chart(by_method(drift)).encode(
        x=alt.X("value:Q", title="M", scale=alt.Scale(domain=[-reach, reach]), axis=_AXIS),
        y=alt.Y("stance:N", title=None, sort=list(STANCES), axis=alt.Axis(ticks=False, domain=False)),
        yOffset=alt.YOffset("shown:N", sort=list(ORDER)),
        color=style.stance_colour(None),
    )
    zero = alt.Chart(pl.DataFrame({"value": [0.0]})).mark_rule(color="#8a8a8a", strokeWidth=1, aria=False)
    intervals = base.mark_rule(strokeWidth=1.25, opacity=0.7, aria=False).encode(x="low:Q", x2="high:Q")
    points = [
        base.transform_filter(alt.datum.shown == shown)
        .mark_point(size=34, opacity=1, strokeWidth=1.5, filled=filled, aria=False)
        .encode(shape=style.stance_shape(None))
        for shown, filled in _FILLED.items()
    ]
    strokes = base.transform_filter(alt.datum.shown == CONFUSION).mark_tick(size=9, thickness=2, aria=False)
    layers = [zero.encode(x="value:Q"), intervals, *points, strokes]
    return alt.LayerChart(layer=layers, width=260, height=alt.Step(_STEP))
