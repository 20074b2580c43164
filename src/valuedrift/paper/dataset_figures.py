"""Charts of data sets: stance shares (figure 19), value gaps (figure 20), and predicted against measured drift."""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt
import numpy as np
import polars as pl

from valuedrift.display import Display, Model, Suite, rank
from valuedrift.paper import style
from valuedrift.statistics.panel import ALL, STANCES

PREDICTION_COLUMNS = ("model", "data", "topic", "stance", "predicted_drift", "drift", "drift_low", "drift_high")

_FAR = math.sqrt(2)
_EDGES = np.linspace(0.0, _FAR, 29)
_BAR = "#5f6b7a"


def expressed_shares(shares: pl.DataFrame, suite: Suite, display: Display) -> alt.HConcatChart:
    """Draw figure 19: each SFT set's stance shares on every topic, with 95 % intervals, one panel per data set."""
    answers = shares.filter(pl.col("role") == "answer")
    panels = [
        _share_panel(answers.filter(data=data), suite.data_title(data), display, place == 0)
        for place, data in enumerate(_in_order(answers["data"], suite.sft))
    ]
    return style.on_paper(alt.hconcat(*panels))


def gap_histograms(gaps: pl.DataFrame, suite: Suite) -> alt.ConcatChart:
    """Draw figure 20: distances of chosen and rejected answers, one panel per data set.

    A pair counts once for each of its topics.
    """
    panels = []
    for data in _in_order(gaps["data"], suite.preference):
        own = gaps.filter(pl.col("data") == data)["distance"]
        title = alt.Title(suite.data_title(data), subtitle=f"{own.len():,} pairs")
        panels.append(_gap_panel(own, width=240, height=150).properties(title=title))
    return style.on_paper(alt.concat(*panels, columns=3))


def gap_histograms_by_topic(gaps: pl.DataFrame, suite: Suite, display: Display) -> alt.ConcatChart:
    """Draw figure 20 by topic: one row of panels per topic, one column per data set."""
    names = _in_order(gaps["data"], suite.preference)
    panels = []
    for topic in (topic for topic in display.topics if topic in set(gaps["topic"])):
        for data in names:
            own = gaps.filter(pl.col("data") == data, pl.col("topic") == topic)["distance"]
            subtitle = f"{suite.data_title(data)}, {own.len():,} pairs"
            title = alt.Title(display.topic_name(topic), subtitle=subtitle)
            panels.append(_gap_panel(own, width=230, height=70).properties(title=title))
    return style.on_paper(alt.concat(*panels, columns=len(names)))


def predicted_drift(predictions: pl.DataFrame, model: Model, display: Display) -> alt.ConcatChart:
    """Draw the drift that the data predict against the measured drift, with 95 % intervals.

    The predicted drift is the data's stance share minus the value at the start. There is one panel per SFT set of the
    model and one point per topic and stance; on the grey diagonal both drifts are equal.
    """
    panels = [
        _prediction_panel(own, display).properties(
            title=alt.Title(model.suite.data_title(str(data)), subtitle=model.title)
        )
        for (data,), own in predictions.group_by("data", maintain_order=True)
    ]
    return style.on_paper(alt.concat(*panels, columns=3))


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


def _gap_panel(distances: pl.Series, width: int, height: int) -> alt.LayerChart:
    """Draw the share of pairs per bin of distance, and the mean distance as a dashed line."""
    counts, _ = np.histogram(distances.to_numpy(), bins=_EDGES)
    shares = counts / max(1, distances.len())
    bins = pl.DataFrame({"from": _EDGES[:-1], "to": _EDGES[1:], "floor": 0.0, "share": shares, "pairs": counts})
    axis = alt.Axis(values=[0, 0.5, 1, _FAR], format=".2~f", grid=False)
    x = alt.X(
        "from:Q", title="Distance of chosen and rejected", scale=alt.Scale(domain=[0, _FAR], nice=False), axis=axis
    )
    y = alt.Y("share:Q", title="Share of pairs", scale=alt.Scale(domain=[0, 1]), axis=style.SHARE_AXIS)
    tooltip = [alt.Tooltip("from:Q", format=".2f"), alt.Tooltip("share:Q", format=".3f"), "pairs:Q"]
    bars = alt.Chart(bins).mark_rect(color=_BAR, stroke="white", strokeWidth=0.5, aria=False)
    layers = [bars.encode(x=x, x2="to:Q", y=y, y2="floor:Q", tooltip=tooltip)]
    middle = distances.mean()
    if isinstance(middle, float):  # without pairs there is no mean
        layers += _mean_line(middle, x, height)
    return alt.LayerChart(layer=layers, width=width, height=height)


def _mean_line(middle: float, x: alt.X, height: int) -> list[alt.Chart]:
    base = alt.Chart(pl.DataFrame({"from": [middle], "label": [f"mean {middle:.2f}"]})).encode(x=x)
    inwards = -12 if middle > _FAR / 2 else 12
    text = base.mark_text(align="right" if inwards < 0 else "left", dx=inwards, fontSize=12, aria=False)
    line = base.mark_rule(color="#222222", strokeDash=[4, 3], aria=False)
    return [line, text.encode(y=alt.value(height / 2), text="label:N")]


def _prediction_panel(own: pl.DataFrame, display: Display) -> alt.LayerChart:
    rows = own.select(PREDICTION_COLUMNS).with_columns(topic=_topic_names(own, display))
    reach = max(0.1, *(abs(value) for name in ("predicted_drift", "drift_low", "drift_high") for value in own[name]))
    scale = alt.Scale(domain=[-reach, reach])
    x = alt.X("predicted_drift:Q", title="Drift that the data predict", scale=scale)
    y = alt.Y("drift:Q", title="Drift measured", scale=scale)
    numbers = [alt.Tooltip(f"{name}:Q", format=".3f") for name in PREDICTION_COLUMNS[4:]]
    tooltip = ["topic:N", "stance:N", *numbers]
    interval = ("drift_low", "drift_high")
    return style.agreement(rows, x, y, (-reach, reach), interval, style.stance_legend(), tooltip=tooltip)


def _topic_names(rows: pl.DataFrame, display: Display) -> pl.Series:
    return pl.Series([display.topic_name(topic) for topic in rows["topic"]], dtype=pl.String)


def _in_order(found: pl.Series, known: Sequence[str]) -> list[str]:
    """Return the data sets in `found`: first those in `known`, in its order, then others by name."""
    return sorted(set(found), key=lambda data: rank(data, known))
