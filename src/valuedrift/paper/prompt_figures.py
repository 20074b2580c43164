"""Figures 8, 10 and 18: the prompts, as the pipeline sends them."""

from __future__ import annotations

import textwrap

import altair as alt
import polars as pl

from valuedrift.paper import style

_COLUMNS, _CHARACTER, _LINE = 100, 7.3, 17


def prompt_figure(template: str) -> alt.Chart:
    """The template's text in lines of at most 100 characters; its places stand in braces."""
    lines = [line for given in template.splitlines() for line in (textwrap.wrap(given, _COLUMNS) or [""])]
    rows = pl.DataFrame({"text": lines, "line": range(len(lines))})
    mark = alt.Chart(rows).mark_text(
        align="left", baseline="top", font="monospace", fontSize=12, color=style.INK, aria=False
    )
    y = alt.Y("line:O", axis=None, scale=alt.Scale(padding=0))
    size = {"width": _COLUMNS * _CHARACTER, "height": _LINE * len(lines)}
    chart: alt.Chart = mark.encode(x=alt.value(0), y=y, text="text:N").properties(**size)
    configured: alt.Chart = chart.configure(**style.print_config())
    return configured
