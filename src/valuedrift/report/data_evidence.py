"""What the data sets themselves express, and the drift that it predicts, as the report shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from valuedrift.display import Display, Suite
from valuedrift.paper import style
from valuedrift.paper.dataset_figures import expressed_shares, gap_histograms, predicted_drift
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
"""Method of prediction → its title (see `valuedrift.dataset_stances.prediction`)."""


@dataclass(frozen=True)
class Expressed:
    """The tables of `valuedrift.dataset_stances.EXPRESSION`, of one suite."""

    shares: pl.DataFrame
    gaps: pl.DataFrame
    gap_summary: pl.DataFrame
    nearest: pl.DataFrame


@dataclass(frozen=True)
class Predicted:
    """The tables of `valuedrift.dataset_stances.PREDICTION`, of all models."""

    predictions: pl.DataFrame
    errors: pl.DataFrame
    movers: pl.DataFrame


@dataclass(frozen=True)
class SuiteEvidence:
    """What a suite's data sets express.

    Attributes:
        name: Which suite, where there are several.
        share_panels: Figure 19, a panel for each SFT set.
        gap_panels: Figure 20, a panel for each preference set.
        gaps: Title of each preference set, and measure → its value gap over all topics.
    """

    name: str
    share_panels: list[Panel]
    gap_panels: list[Panel]
    gaps: list[tuple[str, dict[str, dict[str, Any]]]]


def suite_evidence(expressed: Mapping[str, Expressed], display: Display) -> list[SuiteEvidence]:
    """What the data sets of each suite express; none of a suite without retrieved rows. expressed: by suite"""
    found = [_suite_evidence(expressed[suite.name], suite, display) for suite in display.suites]
    return [one for one in found if one.share_panels or one.gap_panels]


def prediction_panels(predicted: Predicted, display: Display) -> list[Panel]:
    """Predicted against measured drift, a panel for each model and SFT data set."""
    panels = []
    for (name,), rows in predicted.predictions.partition_by("model", as_dict=True, maintain_order=True).items():
        model = display.model(str(name))
        for data, own in _by_data(rows):
            label = f"Predicted and measured drift, {model.title}, {model.suite.data_title(data)}"
            panels.append(_panel(predicted_drift(own, model, display), label))
    return panels


def write_examples(
    expressed: Mapping[str, Expressed], predicted: Predicted, display: Display, out: Path
) -> list[tuple[str, str]]:
    """Write a piece for each data set: its examples nearest to each topic's questions, and what the runs on it moved.

    Args:
        expressed: By suite.
        predicted: Of all models.
        display: Names and orders.
        out: The report's folder.

    Returns:
        For each data set the piece's name below `examples/`, and a title.
    """
    keys = list(display.topics)
    found = []
    for suite in display.suites:
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
            gap_histograms(own, suite, display),
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
    """A chart that has a title of its own. room: pixels beside it on the left, for names in wide fonts."""
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
