"""The report's charts and examples of the stances that data sets express, and of the drift that these predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from valuedrift.display import Display, Suite
from valuedrift.paper import style
from valuedrift.paper.dataset_figures import expressed_shares, gap_histograms, predicted_drift, prediction_reach
from valuedrift.report.charts import Panel, inline_svg
from valuedrift.report.pieces import write_piece
from valuedrift.report.words import change, interval
from valuedrift.statistics.panel import ALL, PROBABILITIES
from valuedrift.visible_text import visible

METHODS = {
    "no_change": "nothing changes",
    "overall": "the data set's share over all topics",
    "share": "its share on the topic",
    "fitted": "the fitted line",
}
"""Method of prediction → its title (see `valuedrift.data.stances.prediction`)."""


@dataclass(frozen=True)
class Expressed:
    """The tables in `valuedrift.data.stances.EXPRESSION`, of one suite."""

    shares: pl.DataFrame
    gaps: pl.DataFrame
    gap_summary: pl.DataFrame
    nearest: pl.DataFrame


@dataclass(frozen=True)
class Predicted:
    """The tables in `valuedrift.data.stances.PREDICTION`, of all models."""

    predictions: pl.DataFrame
    errors: pl.DataFrame
    movers: pl.DataFrame


@dataclass(frozen=True)
class SuiteEvidence:
    """The stances that a suite's data sets express.

    Attributes:
        name: Which suite it is, in words; empty if there is only one.
        share_panels: Figure 19, one panel per SFT set.
        gap_panels: Figure 20, one panel per preference set.
        gaps: (title, measure → its row of the value gap over all topics) of each preference set.
    """

    name: str
    share_panels: list[Panel]
    gap_panels: list[Panel]
    gaps: list[tuple[str, dict[str, dict[str, Any]]]]


def suite_evidence(expressed: Mapping[str, Expressed], display: Display) -> list[SuiteEvidence]:
    """Return what each suite's data sets express, without suites that have no retrieved rows.

    Args:
        expressed: Suite → its tables.
        display: Names and orders.
    """
    found = [
        _suite_evidence(expressed[suite.name], suite, display) for suite in display.suites if suite.name in expressed
    ]
    return [one for one in found if one.share_panels or one.gap_panels]


def prediction_panels(predicted: Predicted, display: Display) -> list[Panel]:
    """Draw predicted against measured drift, one panel per model and SFT data set."""
    panels = []
    for (name,), rows in predicted.predictions.partition_by("model", as_dict=True, maintain_order=True).items():
        model, reach = display.model(str(name)), prediction_reach(rows)
        for data, own in _by_data(rows):
            title = f"{model.title}, {model.suite.data_title(data)}"
            panels.append(_panel(predicted_drift(own, title, display, reach), f"Predicted and measured drift, {title}"))
    return panels


def write_examples(
    expressed: Mapping[str, Expressed], predicted: Predicted, display: Display, out: Path
) -> list[tuple[str, str]]:
    """Write one piece per data set: its examples nearest to each topic's questions, and the drifts of runs on it.

    Args:
        expressed: Suite → its tables.
        predicted: The tables of all models.
        display: Names and orders.
        out: The report's folder.

    Returns:
        (the piece's name below `examples/`, a title) of each data set.
    """
    keys = list(display.topics)
    found = []
    for suite in (suite for suite in display.suites if suite.name in expressed):
        several, models = display.of_suite(suite), [name for name in display.models if display.suite(name) == suite]
        for data, own in _by_data(expressed[suite.name].nearest):
            moved = predicted.movers.filter(pl.col("data") == data, pl.col("model").is_in(models))
            examples = [_example(row, keys) for row in own.iter_rows(named=True)]
            name = f"{suite.name}/{data}" if several else data
            write_piece(out, f"examples/{name}", {"examples": examples, "moved": _moved(moved, keys, display)})
            found.append((name, ", ".join(part for part in (suite.data_title(data), several) if part)))
    return found


def _suite_evidence(expressed: Expressed, suite: Suite, display: Display) -> SuiteEvidence:
    shares = [
        _panel(
            expressed_shares(own, suite, display), f"Stances that {suite.data_title(data)} expresses, by topic", room=30
        )
        for data, own in _by_data(expressed.shares.filter(role="answer"))
    ]
    gaps = [
        _panel(
            gap_histograms(own, suite),
            f"Distances of chosen and rejected answers in {suite.data_title(data)}",
        )
        for data, own in _by_data(expressed.gaps)
    ]
    summaries = [
        (suite.data_title(data), {row["measure"]: row for row in own.to_dicts()})
        for data, own in _by_data(expressed.gap_summary.filter(topic=ALL))
    ]
    return SuiteEvidence(display.of_suite(suite), shares, gaps, summaries)


def _by_data(table: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    return [(str(data), own) for (data,), own in table.partition_by("data", as_dict=True, maintain_order=True).items()]


def _panel(chart: alt.TopLevelMixin, label: str, room: int = 5) -> Panel:
    """Return a panel for a chart with its own title; `room` is its left padding in pixels, for names in wide fonts."""
    padding = {"left": room, "right": 5, "top": 5, "bottom": 5}
    return Panel("", inline_svg(chart.configure(**style.page_config(), padding=padding), label))


def _example(row: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {
        "topic": keys.index(row["topic"]),
        "role": row["role"],
        "stance": row["stance"],
        "all": row["examples"],
        "cosine": round(row["cosine"], 3),
        "question": visible(row["question"]),
        "answer": visible(row["answer"]),
        "shares": [round(1000 * row[name]) for name in PROBABILITIES],
    }


def _moved(movers: pl.DataFrame, keys: Sequence[str], display: Display) -> list[dict[str, Any]]:
    rows = movers.unique(["model", "run", "topic"], keep="first", maintain_order=True)
    several = rows["model"].n_unique() > 1
    return [
        {
            "topic": keys.index(row["topic"]),
            "run": f"{display.model(row['model']).title}, " * several
            + display.suite(row["model"]).full_title(row["run"]),
            "stance": row["stance"],
            "change": f"{change(row['magnitude'])} {interval(row)}",
        }
        for row in rows.iter_rows(named=True)
    ]
