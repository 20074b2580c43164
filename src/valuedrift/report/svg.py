"""Charts as SVG elements inside the report."""

from __future__ import annotations

import re

import altair as alt
import vl_convert
from markupsafe import Markup, escape

# Roles and labels of every tick and mark would be read aloud one by one; the report labels each chart as a whole.
_CLUTTER = re.compile(
    r"""\s(?:aria-[a-z]+|role|pointer-events|stroke-miterlimit|font-family|xmlns(?::xlink)?|version)="[^"]*"
    |\s(?:opacity|stroke-width)="1"
    |<path\sclass="(?:background|foreground)"[^>]*/>""",
    re.VERBOSE,
)
_TAG = re.compile(r"<[^>]*>")
_GEOMETRY = re.compile(r'\s(?:d|transform)="[^"]*"')
_DECIMALS = re.compile(r"(\.\d)\d+")


def inline_svg(chart: alt.TopLevelMixin, label: str) -> Markup:
    """The chart as an SVG element for an HTML page, labelled as one image, coordinates cut to a tenth of a pixel."""
    svg = _TAG.sub(lambda tag: _slim_tag(tag[0]), vl_convert.vegalite_to_svg(chart.to_dict()))
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1))


def _slim_tag(tag: str) -> str:
    return _GEOMETRY.sub(lambda attribute: _DECIMALS.sub(r"\1", attribute[0]), _CLUTTER.sub("", tag))
