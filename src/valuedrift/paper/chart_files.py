"""Write a chart as SVG, PNG and HTML files."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import altair as alt
import vl_convert
from markupsafe import Markup

from valuedrift.files import publish, write_text
from valuedrift.paper.rendering import render


def save_chart(chart: alt.TopLevelMixin, stem: Path | str, formats: Iterable[str]) -> list[Path]:
    """Write `<stem>.svg`, `.png` (at scale 2) and `.html` (opens without a network), whichever `formats` names.

    The same chart gives the same bytes.

    Returns:
        The paths of the files.
    """
    kinds = list(formats)
    spec = chart.to_dict()
    svg = vl_convert.vegalite_to_svg(spec) if {"svg", "png"} & {*kinds} else ""
    written = [Path(f"{stem}.{kind}") for kind in kinds]
    for path, kind in zip(written, kinds, strict=True):
        if kind == "svg":
            write_text(path, svg)
        elif kind == "png":
            with publish(path) as draft:
                draft.write_bytes(vl_convert.svg_to_png(svg, scale=2))
        else:
            write_text(path, render("valuedrift.paper", "figure.html", name=path.stem, spec=spec, vega=_vega()))
    return written


@cache
def _vega() -> Markup:
    """Return Vega, Vega-Lite and Vega-Embed as one script."""
    return Markup(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
