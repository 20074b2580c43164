"""The look of charts: each stance has the same colour, dash and point shape in every figure and in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any, TypeVar

import altair as alt
import polars as pl

_Joined = TypeVar("_Joined", alt.Chart, alt.LayerChart, alt.ConcatChart, alt.HConcatChart, alt.VConcatChart)


@dataclass(frozen=True)
class Look:
    """A stance's colour, stroke dash (pixels on and off) and Vega point shape; each alone distinguishes the stances."""

    colour: str
    dash: tuple[int, int]
    shape: str


LOOKS = {
    "support": Look("#2ca02c", (1, 0), "circle"),
    "neutral": Look("#1f77b4", (6, 3), "square"),
    "oppose": Look("#d62728", (2, 2), "triangle-up"),
}

INK, REFERENCE, _RULE = "#222222", "#8a8a8a", "#e4e4e4"


SHARE_AXIS = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".2~f")


def on_paper(chart: _Joined) -> _Joined:
    """Return the chart with the settings for print (see `print_config`)."""
    configured: _Joined = chart.configure(**print_config())
    return configured


def zero_rule(field: alt.X | alt.Y) -> alt.Chart:
    """Draw a dashed grey line where the field is zero."""
    rows = pl.DataFrame({_name(field): [0.0]})
    chart: alt.Chart = alt.Chart(rows).mark_rule(color=REFERENCE, strokeDash=[4, 4], aria=False).encode(field)
    return chart


def diagonal(x: alt.X, y: alt.Y, ends: tuple[float, float]) -> alt.Chart:
    """Draw the dashed grey line on which both fields are equal."""
    rows = pl.DataFrame({_name(field): list(ends) for field in (x, y)})
    line = alt.Chart(rows).mark_line(color=REFERENCE, strokeDash=[4, 4], strokeWidth=1, aria=False)
    chart: alt.Chart = line.encode(x, y)
    return chart


def agreement(
    rows: pl.DataFrame,
    x: alt.X,
    y: alt.Y,
    ends: tuple[float, float],
    interval: tuple[str, str] = ("low", "high"),
    legend: alt.Legend | None = None,
    **points: Any,
) -> alt.LayerChart:
    """Draw points coloured by stance, with vertical intervals, and the diagonal; `points` are further encodings."""
    base = alt.Chart(rows).encode(x=x, color=stance_colour(legend))
    intervals = base.mark_rule(strokeWidth=1, opacity=0.6, aria=False)
    intervals = intervals.encode(y=alt.Y(f"{interval[0]}:Q", scale=y["scale"]), y2=f"{interval[1]}:Q")
    marks = base.mark_point(filled=True, size=45, opacity=0.9, aria=False)
    marks = marks.encode(y=y, shape=stance_shape(legend), **points)
    return alt.LayerChart(layer=[diagonal(x, y, ends), intervals, marks], width=240, height=240)


def stance_colour(legend: alt.Legend | None) -> alt.Color:
    return alt.Color("stance:N", scale=_scale("colour"), legend=legend)


def stance_dash() -> alt.StrokeDash:
    return alt.StrokeDash("stance:N", scale=_scale("dash"), legend=None)


def stance_shape(legend: alt.Legend | None) -> alt.Shape:
    return alt.Shape("stance:N", scale=_scale("shape"), legend=legend)


def stance_key() -> alt.LayerChart:
    """Draw a legend with each stance's dash and point shape in its colour."""
    looks = LOOKS.values()
    return key([*LOOKS], *([getattr(look, aspect) for look in looks] for aspect in ("colour", "dash", "shape")))


def key(
    labels: Sequence[str], colours: Sequence[str], dashes: Sequence[tuple[int, ...]], shapes: Sequence[str]
) -> alt.LayerChart:
    """Draw a legend with each label's dash and point shape together; Vega-Lite's own legends can't do that."""
    step = 100
    rows = [{"shown": label, "x": place * step, "end": place * step + 36} for place, label in enumerate(labels)]
    base = alt.Chart(pl.DataFrame(rows)).encode(y=alt.value(8))
    place = alt.Scale(domain=[0, len(labels) * step])
    colour = alt.Color("shown:N", scale=scale(labels, colours), legend=None)
    x, middle, end = (alt.X(f"{name}:Q", axis=None, scale=place) for name in ("x", "middle", "end"))
    dash = alt.StrokeDash("shown:N", scale=scale(labels, dashes), legend=None)
    shape = alt.Shape("shown:N", scale=scale(labels, shapes), legend=None)
    line = base.mark_rule(strokeWidth=2, aria=False).encode(x=x, x2="end:Q", color=colour, strokeDash=dash)
    point = base.transform_calculate(middle="(datum.x + datum.end) / 2").mark_point(filled=True, size=60, opacity=1)
    text = base.mark_text(align="left", dx=6, fontSize=13, color=INK).encode(x=end, text="shown:N")
    layers = [line, point.encode(x=middle, color=colour, shape=shape), text]
    return alt.LayerChart(layer=layers, width=len(labels) * step, height=16)


def scale(labels: Sequence[str], looks: Sequence[str] | Sequence[tuple[int, ...]]) -> alt.Scale:
    """Assign a look to each label; looks repeat if there are more labels than looks."""
    return alt.Scale(domain=list(labels), range=[looks[place % len(looks)] for place in range(len(labels))])


def lettered(titles: Sequence[str]) -> list[str]:
    """Return the titles of panels with (a), (b), … before them; the title of a single panel stays as it is."""
    if len(titles) == 1:
        return list(titles)
    letters = [ascii_lowercase[place % 26] * (1 + place // 26) for place in range(len(titles))]
    return [f"({letter}) {title}".rstrip() for letter, title in zip(letters, titles, strict=True)]


def stance_legend() -> alt.Legend:
    """Return a legend in a row above the panels, with each stance's point shape in its colour."""
    return alt.Legend(title=None, orient="top", symbolSize=110, symbolOpacity=1, symbolStrokeWidth=0)


def print_config() -> dict[str, Any]:
    """Return Vega-Lite's `config` for printed figures: dark text, a pale grid, and axis titles that aren't bold."""
    return {
        "background": "white",
        "font": "sans-serif",
        "axis": {
            "labelFontSize": 12,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "labelColor": INK,
            "titleColor": INK,
            "gridColor": _RULE,
            "domainColor": REFERENCE,
            "tickColor": REFERENCE,
            "labelFlush": False,
        },
        "title": {"fontSize": 13, "subtitleFontSize": 12, "fontWeight": "bold", "anchor": "start", "color": INK},
        "legend": {"labelFontSize": 13, "labelColor": INK, "titleFontSize": 12, "titleColor": INK},
        "view": {"stroke": None},
        "concat": {"spacing": 24},
    }


def page_config() -> dict[str, Any]:
    """Return `print_config` with a transparent background, for pages."""
    return print_config() | {"background": "transparent"}


def _name(field: alt.X | alt.Y) -> str:
    return str(field["shorthand"]).removesuffix(":Q")


def _scale(aspect: str) -> alt.Scale:
    return scale([*LOOKS], [getattr(look, aspect) for look in LOOKS.values()])
