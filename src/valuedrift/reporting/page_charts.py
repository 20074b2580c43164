"""The report's charts: one small SVG a run and topic, grouped by phase, and one a data set for recovery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from valuedrift.reporting import style
from valuedrift.reporting.figures import mean_absolute_error, recovery_panel, trajectory_panel
from valuedrift.reporting.labels import Topics, data_title, model_title, origin_title, run_title, topic_name
from valuedrift.reporting.sections import runs_by_phase, short_title
from valuedrift.reporting.svg import inline_svg
from valuedrift.statistics.panel import ALL

_MOST_PANELS = 400


@dataclass(frozen=True)
class Panel:
    title: str
    svg: Markup


@dataclass(frozen=True)
class ChartGroup:
    """The panels of one model's phase, by topic key; a topic's list has a panel for each run."""

    model: str
    phase: str
    by_topic: dict[str, list[Panel]]


def picker_topics(values: pl.DataFrame, topics: Topics) -> list[str]:
    """The topic keys whose charts are embedded: "all" first; only that one where a page with all would be too heavy."""
    present = set(values["topic"])
    chosen = [topic for topic in (ALL, *topics) if topic in present]
    panels = values.select("model", "run", "topic").unique().height
    return chosen if panels <= _MOST_PANELS else chosen[:1]


def trajectory_groups(values: pl.DataFrame, chosen: list[str], topics: Topics) -> list[ChartGroup]:
    """Every run's trajectory on each of the `chosen` topics."""
    cells = values.partition_by("model", "run", "topic", as_dict=True)
    groups = []
    for model in values["model"].unique().sort().to_list():
        runs = values.filter(pl.col("model") == model)["run"].unique().to_list()
        for phase, members in runs_by_phase(runs):
            by_topic = {topic: list(_panels(cells, model, members, topic, topics)) for topic in chosen}
            groups.append(ChartGroup(model_title(model), phase, by_topic))
    return groups


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


def _panels(
    cells: dict[tuple[object, ...], pl.DataFrame], model: str, runs: list[str], topic: str, topics: Topics
) -> Iterator[Panel]:
    for run in runs:
        rows = cells.get((model, run, topic))
        if rows is not None:
            where = f"{run_title(run)}, {origin_title(run)}; {topic_name(topics, topic)}"
            chart = trajectory_panel(rows).configure(**style.page_config())
            yield Panel(short_title(run), inline_svg(chart, f"Stance probabilities over training: {where}"))
