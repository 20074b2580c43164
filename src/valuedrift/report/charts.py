"""The report's static charts: charts as SVG elements, and panels of planted against recovered shares."""

from __future__ import annotations

import re
from dataclasses import dataclass

import altair as alt
import polars as pl
import vl_convert
from markupsafe import Markup, escape

from valuedrift.display import Display
from valuedrift.paper import style
from valuedrift.paper.drift_figures import mean_absolute_error, recovery_panel

# Screen readers would read the roles and labels of every tick and mark; the report labels each chart as a whole.
_CLUTTER = re.compile(
    r"""\s(?:aria-[a-z]+|role|pointer-events|stroke-miterlimit|font-family|xmlns(?::xlink)?|version)="[^"]*"
    |\s(?:opacity|stroke-width)="1"
    |<path\sclass="(?:background|foreground)"[^>]*/>""",
    re.VERBOSE,
)
_TAG = re.compile(r"<[^>]*>")
_GEOMETRY = re.compile(r'\s(?:d|transform)="[^"]*"')
_DECIMALS = re.compile(r"(\.\d)\d+")


@dataclass(frozen=True)
class Panel:
    """A chart of the report. `title` is its caption, empty if the chart itself has a title."""

    title: str
    svg: Markup


def recovery_panels(calibration: pl.DataFrame, display: Display) -> list[Panel]:
    """Draw planted against recovered shares, one panel per model and data set."""
    several = calibration["model"].n_unique() > 1
    panels = []
    for (name, data), rows in calibration.group_by("model", "data", maintain_order=True):
        model = display.model(str(name))
        title = f"{model.title}, " * several + model.suite.data_title(str(data))
        chart = recovery_panel(rows).configure(**style.page_config())
        svg = inline_svg(chart, f"Planted against recovered stance shares, {title}")
        panels.append(Panel(f"{title}, mean absolute error {mean_absolute_error(rows):.3f}", svg))
    return panels


def inline_svg(chart: alt.TopLevelMixin, label: str) -> Markup:
    """Return the chart as an SVG element, labelled as one image, with coordinates cut to a tenth of a pixel."""
    svg = _TAG.sub(lambda tag: _slim_tag(tag[0]), vl_convert.vegalite_to_svg(chart.to_dict()))
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1))


def _slim_tag(tag: str) -> str:
    return _GEOMETRY.sub(lambda attribute: _DECIMALS.sub(r"\1", attribute[0]), _CLUTTER.sub("", tag))
