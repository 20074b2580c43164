"""Figures of the effect of one hyper-parameter on drift (15 to 17; paper, appendix J), and of equal learning rates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import altair as alt
import polars as pl

from valuedrift.display import Display
from valuedrift.paper import style
from valuedrift.paper.ablated_runs import LEARNING_RATE, Ablated, algorithm_order, magnitudes, parameter_title
from valuedrift.statistics.panel import ALL
from valuedrift.titles import algorithm_title

FIGURES = {("ppo", "kl_coefficient"): "15", ("dpo", "beta"): "16", ("simpo", "gamma"): "17"}
"""(algorithm, parameter) → number of the paper's figure."""

STANCE = "support"
"""The stance whose probability is shown."""

_ORDERED_COLOURS = ("#0d0887", "#5c01a6", "#9c179e", "#cc4778", "#e8703a", "#e0a100")
_DISTINCT_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_DASHES = ((1, 0), (8, 3), (2, 2), (8, 3, 2, 3), (12, 4), (4, 4))
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
# Points of different algorithms at the same learning rate are drawn apart by this factor.
_ASIDE = 1.2


def ablation_charts(
    points: Sequence[Ablated], values: pl.DataFrame, drift: pl.DataFrame, display: Display, level: float
) -> dict[str, alt.VConcatChart]:
    """Draw one figure per algorithm and parameter, and one for all learning rates.

    Args:
        points: The runs of one model.
        values: The model's values, as `measure` returns them.
        drift: The model's drifts, as `measure` returns them.
        display: Names and orders.
        level: Level of the intervals.

    Returns:
        File stem → figure.
    """
    varied = [point for point in points if point.parameter != LEARNING_RATE]
    keys = sorted({(point.algorithm, point.parameter) for point in varied})
    charts = {
        f"figure_{FIGURES.get(key, '_'.join(key))}": trajectory_figure(
            [point for point in varied if (point.algorithm, point.parameter) == key],
            values,
            [topic for topic in (*display.ablation_topics, ALL) if topic in set(values["topic"])],
            display,
            level,
        )
        for key in keys
    }
    rates = [point for point in points if point.parameter == LEARNING_RATE]
    return charts | ({"figure_learning_rate": learning_rate_figure(rates, drift, level)} if rates else {})


def trajectory_figure(
    points: Sequence[Ablated], values: pl.DataFrame, chosen: Sequence[str], display: Display, level: float
) -> alt.VConcatChart:
    """Draw v_t(support) against the step, with one line per value of one algorithm's parameter (figures 15 to 17).

    There is one row of panels per start, data set and settings, and one column per topic. The last column is the mean
    over topics, whose bands are narrow enough to distinguish the lines. A value has the same look in all rows.
    """
    labels = list(dict.fromkeys(point.shown for point in sorted(points, key=lambda point: point.value)))
    rows = []
    for _, group in groupby(points, key=lambda point: point.place):
        own = list(group)
        runs = {point.run: point.shown for point in own}
        found = values.filter(pl.col("run").is_in(list(runs)), pl.col("stance") == STANCE)
        found = found.with_columns(shown=pl.col("run").replace_strict(runs, return_dtype=pl.String))
        panels = [
            _line_panel(found.filter(pl.col("topic") == topic), labels).properties(title=display.topic_name(topic))
            for topic in chosen
        ]
        rows.append(alt.hconcat(*panels, title=alt.Title(own[0].title, fontWeight="normal")))
    title = f"{algorithm_title(points[0].algorithm)}: effect of its {parameter_title(points[0].parameter)}"
    subtitle = f"{points[0].model.title}, bands of {level:.0%}"
    own_value = "; *: the configuration's own value" if any(point.own for point in points) else ""
    key = style.key(labels, _ordered(len(labels)), _DASHES, _SHAPES)
    return style.on_paper(alt.vconcat(key, *rows, title=_title(title, subtitle + own_value)))


def learning_rate_figure(points: Sequence[Ablated], drift: pl.DataFrame, level: float) -> alt.VConcatChart:
    """Draw the rewarded stance's magnitude, a mean over topics, against the learning rate, one line per algorithm.

    There is one panel per data set, and one row of panels per start and settings. All panels share their axes, so the
    distance of two lines at the same rate is the difference between the two algorithms themselves.
    """
    found = magnitudes(points, drift)
    algorithms = sorted({point.algorithm for point in points}, key=algorithm_order)
    titles = [algorithm_title(algorithm) for algorithm in algorithms]
    middle = (len(algorithms) - 1) / 2
    table = found.with_columns(
        pl.Series("shown", [algorithm_title(point.algorithm) for point in points]),
        pl.Series("rate", [p.value * _ASIDE ** (algorithms.index(p.algorithm) - middle) for p in points]),
        pl.Series("own", [point.own for point in points]),
    )
    rates = sorted({point.value for point in points})
    span = min(0.0, *table["low"]) - 0.03, max(0.0, *table["high"]) + 0.03
    rows = []
    for _, row in groupby(enumerate(points), key=lambda pair: (pair[1].trajectory.sft, pair[1].settings)):
        members = list(row)
        panels = []
        for data in dict.fromkeys(point.trajectory.data for _, point in members):
            cells = [(place, point) for place, point in members if point.trajectory.data == data]
            panel = _rate_panel(table[[place for place, _ in cells]], titles, rates, span, cells[0][1].stance)
            panels.append(panel.properties(title=cells[0][1].data_title))
        first = members[0][1]
        where = ", ".join(part for part in (f"after {first.start_title}", first.shown_settings) if part)
        rows.append(alt.hconcat(*panels, title=alt.Title(where, fontWeight="normal")))
    subtitle = f"{points[0].model.title}, mean over topics, intervals of {level:.0%}"
    filled = "; filled: the configuration's own rate" if any(point.own for point in points) else ""
    title = _title("Drift magnitude at equal learning rates", subtitle + filled)
    return style.on_paper(alt.vconcat(style.key(titles, _DISTINCT_COLOURS, _DASHES, _SHAPES), *rows, title=title))


def _line_panel(rows: pl.DataFrame, labels: Sequence[str]) -> alt.LayerChart:
    """Draw one topic's lines; the end of each line has the point shape of its value."""
    data = rows.select("step", "shown", "value", "low", "high", end=pl.col("step") == pl.col("step").max().over("run"))
    base = alt.Chart(data).encode(
        x=alt.X("step:Q", title="Training step", axis=alt.Axis(tickCount=3, grid=False, format=",d")),
        color=alt.Color("shown:N", scale=style.scale(labels, _ordered(len(labels))), legend=None),
    )
    band = base.mark_area(opacity=0.14, aria=False).encode(y=_probability("low"), y2="high:Q")
    dash = alt.StrokeDash("shown:N", scale=style.scale(labels, _DASHES), legend=None)
    line = base.mark_line(strokeWidth=2, aria=False).encode(y=_probability("value"), strokeDash=dash)
    points = base.transform_filter("datum.end").mark_point(filled=True, size=60, opacity=1, aria=False)
    points = points.encode(y=_probability("value"), shape=_shape(labels))
    return alt.LayerChart(layer=[band, line, points], width=240, height=160)


def _rate_panel(
    rows: pl.DataFrame, titles: Sequence[str], rates: Sequence[float], span: tuple[float, float], stance: str
) -> alt.LayerChart:
    """Draw one data set's algorithms; the dashed grey line marks a drift of zero."""
    x = alt.X(
        "rate:Q",
        title="Learning rate",
        scale=alt.Scale(type="log", domain=[rates[0] / 1.5, rates[-1] * 1.5], nice=False),
        axis=alt.Axis(values=list(rates), format=".3~e", grid=False, labelOverlap="greedy"),
    )
    scale = alt.Scale(domain=list(span), nice=False)
    base = alt.Chart(rows.select("rate", "shown", "magnitude", "low", "high", "own")).encode(
        x=x, color=alt.Color("shown:N", scale=style.scale(titles, _DISTINCT_COLOURS), legend=None)
    )
    y = alt.Y("magnitude:Q", title=f"M {stance}", scale=scale)
    dash = alt.StrokeDash("shown:N", scale=style.scale(titles, _DASHES), legend=None)
    line = base.mark_line(strokeWidth=1.5, opacity=0.6, aria=False).encode(y=y, strokeDash=dash)
    interval = base.mark_rule(strokeWidth=2, aria=False).encode(y=alt.Y("low:Q", scale=scale), y2="high:Q")
    hollow = base.mark_point(size=60, opacity=1, fill="white", strokeWidth=2, aria=False)
    filled = base.transform_filter("datum.own").mark_point(size=60, opacity=1, filled=True, aria=False)
    marks = [points.encode(y=y, shape=_shape(titles)) for points in (hollow, filled)]
    return alt.LayerChart(layer=[style.zero_rule(y), line, interval, *marks], width=240, height=180)


def _title(text: str, subtitle: str) -> alt.Title:
    return alt.Title(text, subtitle=subtitle, fontSize=15, offset=14)


def _probability(field: str) -> alt.Y:
    return alt.Y(f"{field}:Q", title="Support probability", scale=alt.Scale(domain=[0, 1]), axis=style.SHARE_AXIS)


def _ordered(count: int) -> list[str]:
    """Return `count` colours from dark to light that span the whole range."""
    last = len(_ORDERED_COLOURS) - 1
    return [_ORDERED_COLOURS[round(place * last / max(1, count - 1))] for place in range(count)]


def _shape(labels: Sequence[str]) -> alt.Shape:
    return alt.Shape("shown:N", scale=style.scale(labels, _SHAPES), legend=None)
