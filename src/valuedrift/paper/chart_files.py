"""Write a chart as SVG, PDF, PNG and HTML files, with its caption beside them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import altair as alt
import vl_convert
from markupsafe import Markup

from valuedrift.files import publish, write_text
from valuedrift.paper.rendering import render


def save_chart(chart: alt.TopLevelMixin, stem: Path | str, formats: Iterable[str], caption: str = "") -> list[Path]:
    """Write `<stem>.svg`, `.pdf`, `.png` and `.html` (opens without a network), whichever `formats` names.

    A PNG has 300 dots per inch, a PDF embeds its fonts. The same chart gives the same bytes, except for a PDF, whose
    dictionaries are in any order.

    Returns:
        The paths of the files; the last one is `<stem>.txt` with the caption, if there is one.
    """
    kinds = list(formats)
    spec = chart.to_dict()
    svg = vl_convert.vegalite_to_svg(spec) if {*kinds} - {"html"} else ""
    written = [Path(f"{stem}.{kind}") for kind in kinds]
    for path, kind in zip(written, kinds, strict=True):
        if kind == "svg":
            write_text(path, svg)
        elif kind == "html":
            write_text(path, render("valuedrift.paper", "figure.html", name=path.stem, spec=spec, vega=_vega()))
        else:
            with publish(path) as draft:
                draft.write_bytes(vl_convert.svg_to_pdf(svg) if kind == "pdf" else vl_convert.svg_to_png(svg, ppi=300))
    if caption:
        written.append(Path(f"{stem}.txt"))
        write_text(written[-1], caption + "\n")
    return written


@cache
def _vega() -> Markup:
    """Return Vega, Vega-Lite and Vega-Embed as one script."""
    return Markup(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
