"""Charts of data sets: stance shares (figure 19), value gaps (figure 20), and predicted against measured drift."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import altair as alt
import numpy as np
import polars as pl

from valuedrift.display import Display, Suite, rank
from valuedrift.paper import style
from valuedrift.statistics.panel import ALL, STANCES

PREDICTION_COLUMNS = ("model", "data", "topic", "stance", "predicted_drift", "drift", "drift_low", "drift_high")

_FAR = math.sqrt(2)
_EDGES = np.linspace(0.0, _FAR, 29)
_BAR, _MEAN = "#5f6b7a", "#d62728"
_BIN_TIPS = [alt.Tooltip("from:Q", format=".2f"), alt.Tooltip("share:Q", format=".3f"), "pairs:Q"]


def expressed_shares(shares: pl.DataFrame, suite: Suite, display: Display) -> alt.HConcatChart:
    """Draw figure 19: each SFT set's stance shares on every topic, with 95 % intervals, one panel per data set."""
    answers = shares.filter(pl.col("role") == "answer")
    sets = _in_order(answers["data"], suite.sft)
    titles = style.lettered([suite.data_title(data) for data in sets])
    panels = [
        _share_panel(answers.filter(data=data), title, display, data == sets[0])
        for data, title in zip(sets, titles, strict=True)
    ]
    return style.on_paper(alt.hconcat(*panels))


def gap_histograms(gaps: pl.DataFrame, suite: Suite) -> alt.ConcatChart:
    """Draw figure 20: distances of chosen and rejected answers, one panel per data set.

    A pair counts once for each of its topics.
    """
    panels = []
    for own, title in _by_set(gaps, suite):
        panels.append(_gap_panel(own["distance"]).properties(title=alt.Title(title, subtitle=f"{own.height:,} pairs")))
    return style.on_paper(alt.concat(*panels, columns=3))


def gaps_by_topic(gaps: pl.DataFrame, suite: Suite, display: Display) -> alt.ConcatChart:
    """Draw figure 20 by topic: one panel per data set, one row per topic, shaded by the share of pairs per bin."""
    names = [display.topic_name(topic) for topic in display.topics if topic in set(gaps["topic"])]
    panels = [
        _gap_rows(own, display, names, place == 0).properties(title=title)
        for place, (own, title) in enumerate(_by_set(gaps, suite))
    ]
    return style.on_paper(alt.concat(*panels, columns=3))


def prediction_reach(predictions: pl.DataFrame) -> float:
    """Return the largest absolute value of predicted and measured drifts: the limit of their axes."""
    columns = ("predicted_drift", "drift_low", "drift_high")
    return float(max(0.1, *(abs(value) for name in columns for value in predictions[name])))


def predicted_drift(predictions: pl.DataFrame, title: str, display: Display, reach: float) -> alt.LayerChart:
    """Draw the drift that one data set predicts against the measured drift, with 95 % intervals.

    The predicted drift is the data's stance share minus the value at the start. There is one point per topic and
    stance; on the grey diagonal both drifts are equal.
    """
    rows = predictions.select(PREDICTION_COLUMNS).with_columns(topic=_topic_names(predictions, display))
    scale = alt.Scale(domain=[-reach, reach])
    x = alt.X("predicted_drift:Q", title="Drift that the data predict", scale=scale)
    y = alt.Y("drift:Q", title="Drift measured", scale=scale)
    numbers = [alt.Tooltip(f"{name}:Q", format=".3f") for name in PREDICTION_COLUMNS[4:]]
    interval = ("drift_low", "drift_high")
    legend, tooltip = style.stance_legend(), ["topic:N", "stance:N", *numbers]
    chart = style.agreement(rows, x, y, (-reach, reach), interval, legend, tooltip=tooltip)
    return style.on_paper(chart.properties(title=title))


def _share_panel(shares: pl.DataFrame, title: str, display: Display, first: bool) -> alt.LayerChart:
    present = set(shares["topic"])
    names = [display.topic_name(topic) for topic in (ALL, *display.topics) if topic in present]
    rows = shares.with_columns(topic=_topic_names(shares, display))
    retrieved = rows.filter(pl.col("topic") == names[0])["rows"][0]
    axis = alt.Axis(labelLimit=260, labels=first, ticks=first, labelPadding=6)
    base = alt.Chart(rows.select("topic", "stance", "share", "low", "high", "rows")).encode(
        y=alt.Y("topic:N", title=None, sort=names, axis=axis, scale=alt.Scale(paddingInner=0.25)),
        yOffset=alt.YOffset("stance:N", sort=list(STANCES)),
        color=style.stance_colour(style.stance_legend()),
    )
    scale = alt.Scale(domain=[0, 1])
    x = alt.X("share:Q", title="Share of the answers", scale=scale, axis=style.SHARE_AXIS)
    tooltip = [
        "topic:N",
        "stance:N",
        *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("share", "low", "high")),
        "rows:Q",
    ]
    bars = base.mark_bar(opacity=0.45, aria=False).encode(x=x, tooltip=tooltip)
    intervals = base.mark_rule(strokeWidth=1.2, aria=False).encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    points = base.mark_point(filled=True, size=28, opacity=1, aria=False)
    points = points.encode(x=x, shape=style.stance_shape(style.stance_legend()))
    heading = alt.Title(title, subtitle=f"{retrieved:,} rows on these topics")
    return alt.LayerChart(layer=[bars, intervals, points], title=heading, width=280, height=alt.Step(9))


def _by_set(gaps: pl.DataFrame, suite: Suite) -> Iterator[tuple[pl.DataFrame, str]]:
    """Return the pairs of each data set with its title."""
    sets = _in_order(gaps["data"], suite.preference)
    titles = style.lettered([suite.data_title(data) for data in sets])
    return ((gaps.filter(data=data), title) for data, title in zip(sets, titles, strict=True))


def _gap_rows(gaps: pl.DataFrame, display: Display, names: Sequence[str], first: bool) -> alt.LayerChart:
    """Draw one row per topic: bins of distance shaded by their share of the pairs, and the mean as a tick."""
    own = gaps.with_columns(name=_topic_names(gaps, display))
    rows = pl.concat(
        [_bins(part["distance"]).with_columns(topic=pl.lit(name)) for (name,), part in own.group_by("name")]
    )
    means = own.group_by(topic="name").agg(pl.col("distance").mean().alias("from"))
    axis = alt.Axis(labelLimit=260, labels=first, ticks=first, labelPadding=6)
    y = alt.Y("topic:N", title=None, sort=list(names), scale=alt.Scale(domain=list(names)), axis=axis)
    shade = alt.Color(
        "share:Q",
        scale=alt.Scale(range=["white", _BAR], domain=[0, 1], interpolate="rgb"),
        legend=alt.Legend(title="Share", orient="right"),
    )
    bins = alt.Chart(rows).mark_rect(aria=False).encode(x=_distance(), x2="to:Q", y=y, color=shade, tooltip=_BIN_TIPS)
    ticks = alt.Chart(means).mark_tick(color=_MEAN, thickness=2, opacity=1, aria=False).encode(x=_distance(), y=y)
    return alt.LayerChart(layer=[bins, ticks], width=200, height=alt.Step(18))


def _bins(distances: pl.Series) -> pl.DataFrame:
    counts, _ = np.histogram(distances.to_numpy(), bins=_EDGES)
    shares = counts / max(1, distances.len())
    return pl.DataFrame({"from": _EDGES[:-1], "to": _EDGES[1:], "floor": 0.0, "share": shares, "pairs": counts})


def _distance() -> alt.X:
    axis = alt.Axis(values=[0, 0.5, 1, _FAR], format=".2~f", grid=False)
    scale = alt.Scale(domain=[0, _FAR], nice=False)
    return alt.X("from:Q", title="Distance of chosen and rejected", scale=scale, axis=axis)


def _gap_panel(distances: pl.Series) -> alt.LayerChart:
    """Draw the share of pairs per bin of distance, and the mean distance as a dashed line."""
    x = _distance()
    y = alt.Y("share:Q", title="Share of pairs", scale=alt.Scale(domain=[0, 1]), axis=style.SHARE_AXIS)
    bars = alt.Chart(_bins(distances)).mark_rect(color=_BAR, stroke="white", strokeWidth=0.5, aria=False)
    layers = [bars.encode(x=x, x2="to:Q", y=y, y2="floor:Q", tooltip=_BIN_TIPS)]
    middle = distances.mean()
    assert isinstance(middle, float)
    base = alt.Chart(pl.DataFrame({"from": [middle], "label": [f"mean {middle:.2f}"]})).encode(x=x)
    inwards = -12 if middle > _FAR / 2 else 12
    text = base.mark_text(align="right" if inwards < 0 else "left", dx=inwards, fontSize=12, aria=False)
    layers.append(base.mark_rule(color=_MEAN, strokeDash=[4, 3], aria=False))
    layers.append(text.encode(y=alt.value(75), text="label:N"))
    return alt.LayerChart(layer=layers, width=240, height=150)


def _topic_names(rows: pl.DataFrame, display: Display) -> pl.Series:
    return pl.Series([display.topic_name(topic) for topic in rows["topic"]], dtype=pl.String)


def _in_order(found: pl.Series, known: Sequence[str]) -> list[str]:
    """Return the data sets in `found`: first those in `known`, in its order, then others by name."""
    return sorted(set(found), key=lambda data: rank(data, known))
