"""The report's still charts: one small SVG a data set, for recovery."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from valuedrift.reporting import style
from valuedrift.reporting.figures import mean_absolute_error, recovery_panel
from valuedrift.reporting.labels import data_title
from valuedrift.reporting.svg import inline_svg


@dataclass(frozen=True)
class Panel:
    """title: its caption; empty where the chart has one of its own"""

    title: str
    svg: Markup


def recovery_panels(calibration: pl.DataFrame) -> list[Panel]:
    """Planted against recovered, a panel for each data set."""
    panels = []
    for data in calibration["data"].unique(maintain_order=True):
        rows = calibration.filter(pl.col("data") == data)
        label = f"Planted against recovered stance shares, {data_title(data)}"
        chart = recovery_panel(rows).configure(**style.page_config())
        title = f"{data_title(data)}, mean absolute error {mean_absolute_error(rows):.3f}"
        panels.append(Panel(title, inline_svg(chart, label)))
    return panels
