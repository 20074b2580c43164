"""The data of the report's sections; the template has their wording and layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from valuedrift.display import Display, Suite
from valuedrift.paper.drift_figures import mean_absolute_error
from valuedrift.statistics.panel import ALL, STANCES


def overall_drifts(drift: pl.DataFrame, display: Display) -> list[dict[str, Any]]:
    """Return the drifts of every run's three stances over all topics, in the order of runs and stances."""
    rows = drift.filter(topic=ALL).to_dicts()
    return sorted(rows, key=lambda row: (display.run_order(row["model"], row["run"]), STANCES.index(row["stance"])))


def largest_drifts(drift: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the 12 largest drifts, with one stance per run and topic, since the stances' drifts sum to zero."""
    single = drift.filter(pl.col("topic") != ALL)
    ranked = single.sort(pl.col("magnitude").abs(), descending=True, maintain_order=True)
    return ranked.unique(["model", "run", "topic"], keep="first", maintain_order=True).head(12).to_dicts()


def facts(values: pl.DataFrame, display: Display) -> list[tuple[str, str]]:
    """Return (name, value) of what was measured: models, runs, checkpoints, questions and answers.

    The base model's checkpoint, which several runs start from, counts once, and so do other shared starts.
    """
    runs = values.select("model", "run").unique().height
    start = pl.col("step") == 0
    own = values.filter((pl.col("topic") == ALL) & ~(start & pl.col("run").str.contains("/")))
    own = own.with_columns(run=pl.when(start).then(pl.lit("base")).otherwise("run"))
    points = own.unique(["model", "run", "step"])
    return [
        ("Models", ", ".join(model.title for model in display.measured(values))),
        ("Runs", f"{runs:,}"),
        ("Checkpoints", f"{points.height:,}"),
        ("Questions", ", ".join(_questions(points, suite, display) for suite in display.suites)),
        ("Judged answers", f"{sum(points['answers']):,}"),
    ]


def calibration_summary(calibration: pl.DataFrame) -> dict[str, Any]:
    """Return how well planted shares are recovered.

    Returns:
        `mae`, the mean absolute error over all rows, and `by_data`, that of each data set; `baseline_mae`, the error of
        naming each data set's mean share for every topic; `topic_correlation`, the least correlation of planted and
        measured shares over topics, of any model, data set and stance (None if nothing planted differs between topics);
        and `covered`, the share of the `rows` intervals that include the planted share.
    """
    if calibration.is_empty():
        empty = dict.fromkeys(("mae", "baseline_mae", "topic_correlation", "covered"))
        return {**empty, "rows": 0, "by_data": {}}
    set_mean = pl.col("planted").mean().over("model", "data", "stance")
    over_topics = calibration.group_by("model", "data", "stance").agg(
        correlation=pl.corr("planted", "measured"), spread=pl.col("planted").max() - pl.col("planted").min()
    )
    # Where the measured shares are equal on all topics, nothing of their differences is recovered.
    correlation = over_topics.filter(pl.col("spread") > 0)["correlation"].fill_nan(0.0).fill_null(0.0).min()
    hits = calibration.select(pl.col("planted").is_between(pl.col("low"), pl.col("high")).mean()).item()
    by_data = {
        data: mean_absolute_error(calibration.filter(pl.col("data") == data))
        for data in calibration["data"].unique(maintain_order=True)
    }
    return {
        "mae": mean_absolute_error(calibration),
        "baseline_mae": calibration.select((pl.col("planted") - set_mean).abs().mean()).item(),
        "topic_correlation": correlation,
        "covered": hits,
        "rows": calibration.height,
        "by_data": by_data,
    }


def judge_qualities(
    judges: Mapping[str, Mapping[str, Any]], display: Display
) -> list[tuple[str, Mapping[str, Any] | None, list[str]]]:
    """Return the quality of every judge of the reported models.

    Returns:
        Per judge: its name and models (empty if it is the only judge), its quality file (None if it wasn't measured),
        and the columns of its confusion matrix (the stances, then its other answers).
    """
    models: dict[str, list[str]] = {}
    for model in display.models.values():
        for judge in model.suite.judges:
            models.setdefault(judge, []).append(model.title)
    found = []
    for name, titles in models.items():
        quality = judges.get(name)
        labels = {label for row in quality["confusion"].values() for label in row} if quality else set()
        title = f"{name}, of {', '.join(titles)}" if len(models) > 1 else ""
        found.append((title, quality, [*STANCES, *sorted(labels - {*STANCES})]))
    return found


def _questions(points: pl.DataFrame, suite: Suite, display: Display) -> str:
    """Return the number of questions that the suite's models were asked, with the suite's name if there are several."""
    models = [name for name in display.models if display.suite(name) == suite]
    most = max(points.filter(pl.col("model").is_in(models))["questions"], default=0)
    return " ".join(part for part in (f"{most:,}", display.of_suite(suite)) if part)
