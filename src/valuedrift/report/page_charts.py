"""The report's still charts: a small SVG a model and data set, for recovery."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from valuedrift.paper import style
from valuedrift.paper.figures import mean_absolute_error, recovery_panel
from valuedrift.report.svg import inline_svg
from valuedrift.titles import data_title, model_title


@dataclass(frozen=True)
class Panel:
    """title: its caption; empty where the chart has one of its own"""

    title: str
    svg: Markup


def recovery_panels(calibration: pl.DataFrame) -> list[Panel]:
    """Planted against recovered, a panel for each model and data set."""
    several = calibration["model"].n_unique() > 1
    panels = []
    for (model, data), rows in calibration.group_by("model", "data", maintain_order=True):
        name = f"{model_title(str(model))}, {data_title(str(data))}" if several else data_title(str(data))
        chart = recovery_panel(rows).configure(**style.page_config())
        title = f"{name}, mean absolute error {mean_absolute_error(rows):.3f}"
        panels.append(Panel(title, inline_svg(chart, f"Planted against recovered stance shares, {name}")))
    return panels
