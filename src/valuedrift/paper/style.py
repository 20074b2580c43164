"""How stances look: one colour, dash and point shape each, in every figure and in the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import altair as alt


@dataclass(frozen=True)
class Look:
    """A stance's colour, stroke dash (pixels on and off) and Vega point shape; each alone tells the stances apart."""

    colour: str
    dash: tuple[int, int]
    shape: str


LOOKS = {
    "support": Look("#2ca02c", (1, 0), "circle"),
    "neutral": Look("#1f77b4", (6, 3), "square"),
    "oppose": Look("#d62728", (2, 2), "triangle-up"),
}

INK, _RULE, _FRAME = "#222222", "#e4e4e4", "#8a8a8a"


def stance_colour(legend: alt.Legend | None) -> alt.Color:
    return alt.Color("stance:N", scale=_scale("colour"), legend=legend)


def stance_dash() -> alt.StrokeDash:
    return alt.StrokeDash("stance:N", scale=_scale("dash"), legend=None)


def stance_shape(legend: alt.Legend | None) -> alt.Shape:
    return alt.Shape("stance:N", scale=_scale("shape"), legend=legend)


def stance_legend() -> alt.Legend:
    """A row above the panels: each stance's point shape in its colour."""
    return alt.Legend(title=None, orient="top", symbolSize=110, symbolOpacity=1, symbolStrokeWidth=0)


def print_config() -> dict[str, Any]:
    """Vega-Lite's `config` for figures that are read on paper: dark ink, pale grid, no title in bold capitals."""
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
            "domainColor": _FRAME,
            "tickColor": _FRAME,
            "labelFlush": False,
        },
        "title": {"fontSize": 13, "subtitleFontSize": 12, "fontWeight": "bold", "anchor": "start", "color": INK},
        "legend": {"labelFontSize": 13, "labelColor": INK, "titleFontSize": 12, "titleColor": INK},
        "view": {"stroke": None},
        "concat": {"spacing": 24},
    }


def page_config() -> dict[str, Any]:
    """`print_config` on whatever background the page has."""
    return print_config() | {"background": "transparent"}


def _scale(aspect: str) -> alt.Scale:
    return alt.Scale(domain=list(LOOKS), range=[getattr(look, aspect) for look in LOOKS.values()])
