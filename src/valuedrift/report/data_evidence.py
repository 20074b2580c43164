"""What the data sets themselves express, and what that foretold, as the report shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from valuedrift.paper import style
from valuedrift.paper.dataset_figures import expressed_shares, gap_histograms, predicted_drift
from valuedrift.paper.display_order import Topics
from valuedrift.paper.table_files import MISSING, shown
from valuedrift.paper.tables import signed
from valuedrift.report.page_charts import Panel
from valuedrift.report.pieces import write_piece
from valuedrift.report.sections import interval
from valuedrift.report.svg import inline_svg
from valuedrift.statistics.panel import ALL, PROBABILITIES
from valuedrift.titles import data_title, full_title, model_title
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
    """The tables of EXPRESSION, of one suite."""

    shares: pl.DataFrame
    gaps: pl.DataFrame
    gap_summary: pl.DataFrame
    nearest: pl.DataFrame


@dataclass(frozen=True)
class Foretold:
    """The tables of PREDICTION, of all models."""

    predictions: pl.DataFrame
    errors: pl.DataFrame
    movers: pl.DataFrame


@dataclass(frozen=True)
class GapLine:
    data: str
    pairs: str
    mean: str
    large: str
    leans: list[str]


@dataclass(frozen=True)
class ErrorLine:
    model: str
    data: str
    method: str
    error: str
    interval: str


def share_panels(expressed: Expressed, topics: Topics) -> list[Panel]:
    """Figure 19, a panel for each SFT data set."""
    answers = expressed.shares.filter(pl.col("role") == "answer")
    return [
        _panel(expressed_shares(own, topics), f"Stances that {data_title(data)} expresses, by topic", room=30)
        for data, own in _by_data(answers)
    ]


def gap_panels(expressed: Expressed, topics: Topics) -> list[Panel]:
    """Figure 20, a panel for each preference data set."""
    return [
        _panel(gap_histograms(own, topics), f"Distances of chosen and rejected answers in {data_title(data)}")
        for data, own in _by_data(expressed.gaps)
    ]


def prediction_panels(foretold: Foretold, topics: Topics) -> list[Panel]:
    """Foretold against measured drift, a panel for each model and SFT data set."""
    return [
        _panel(predicted_drift(own, topics), f"Foretold and measured drift, {model_title(model)}, {data_title(data)}")
        for (model,), rows in foretold.predictions.partition_by("model", as_dict=True, maintain_order=True).items()
        for data, own in _by_data(rows)
    ]


def gap_lines(expressed: Expressed) -> list[GapLine]:
    """Each preference data set's value gap over all topics; leans: mean of chosen less rejected, by stance."""
    rows = expressed.gap_summary.filter(pl.col("topic") == ALL)
    return [_gap_line(data, own) for data, own in _by_data(rows)]


def error_lines(foretold: Foretold) -> list[ErrorLine]:
    """Mean absolute errors of the predictions."""
    return [
        ErrorLine(
            model_title(row["model"]),
            "all data sets" if row["data"] == ALL else data_title(row["data"]),
            METHODS[row["method"]],
            f"{row['error']:.3f}",
            f"[{row['low']:.3f}, {row['high']:.3f}]",
        )
        for row in foretold.errors.iter_rows(named=True)
    ]


def write_examples(expressed: Expressed, foretold: Foretold, topics: Topics, out: Path) -> list[tuple[str, str]]:
    """Write a piece `examples/<data>` for each data set: its examples nearest to each topic's questions, and the runs
    on it with the stance that rose most. Returns the data sets as (name, title)."""
    keys = list(topics)
    found = []
    for data, own in _by_data(expressed.nearest):
        moved = foretold.movers.filter(pl.col("data") == data)
        examples = [_example(row, keys) for row in own.iter_rows(named=True)]
        write_piece(out, f"examples/{data}", {"examples": examples, "moved": _moved(moved, keys)})
        found.append((data, data_title(data)))
    return found


def _by_data(table: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    return [(str(data), own) for (data,), own in table.partition_by("data", as_dict=True, maintain_order=True).items()]


def _panel(chart: alt.TopLevelMixin, label: str, room: int = 5) -> Panel:
    """A chart that has a title of its own. room: pixels beside it on the left, for names in wide fonts."""
    padding = {"left": room, "right": 5, "top": 5, "bottom": 5}
    return Panel("", inline_svg(chart.configure(**style.page_config(), padding=padding), label))


def _gap_line(data: str, rows: pl.DataFrame) -> GapLine:
    measures = {row["measure"]: row for row in rows.iter_rows(named=True)}
    mean, large = measures["mean"], measures["large"]
    return GapLine(
        data_title(data),
        f"{mean['pairs']:,}",
        _estimate(mean, "{:.2f}"),
        _estimate(large, "{:.2f}"),
        [shown(signed(measures[stance]["value"])) for stance in ("support", "neutral", "oppose")],
    )


def _estimate(row: dict[str, Any], form: str) -> str:
    value, low, high = (MISSING if row[key] is None else form.format(row[key]) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


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


def _moved(movers: pl.DataFrame, keys: Sequence[str]) -> list[dict[str, Any]]:
    rows = movers.unique(["model", "run", "topic"], keep="first", maintain_order=True)
    several = rows["model"].n_unique() > 1
    return [
        {
            "topic": keys.index(row["topic"]),
            "run": f"{model_title(row['model'])}, {full_title(row['run'])}" if several else full_title(row["run"]),
            "stance": row["stance"],
            "change": f"{shown(signed(row['magnitude']))} {interval(row)}",
        }
        for row in rows.iter_rows(named=True)
    ]
