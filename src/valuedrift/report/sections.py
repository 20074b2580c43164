"""The data of the report's sections; the template has their wording and layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl

from valuedrift.digests import text_digest
from valuedrift.display import Display, Suite
from valuedrift.paper.drift_figures import mean_absolute_error
from valuedrift.paper.latex import latex_text
from valuedrift.report.judge_correction import agreement_lines
from valuedrift.statistics.panel import ALL, STANCES

if TYPE_CHECKING:
    from valuedrift.report.page import ReportInputs

_BIBTEX = """\
@misc{{valuedrift-{key},
  title = {{Value drift of {models}}},
  year = {{{year}}},
  note = {{{note}}}
}}

@misc{{valuedrifts,
  title = {{Value Drifts: Tracing Value Alignment During {{LLM}} Post-Training}},
  author = {{Bhatia, Mehar and Nayak, Shravan and Kamath, Gaurav and Mosbach, Marius and Sta{{\\'n}}czak, Karolina and
    Shwartz, Vered and Reddy, Siva}},
  year = {{2025}},
  eprint = {{2510.26707}},
  archivePrefix = {{arXiv}}
}}
"""


def facts(inputs: ReportInputs) -> list[tuple[str, str]]:
    """Return (name, value) of what was measured, with what: models, runs, questions, judge, seeds, date and commit.

    The base model's checkpoint, which several runs start from, counts once, and so do other shared starts.
    """
    values, display, configuration = inputs.values, inputs.display, inputs.configuration
    runs = values.select("model", "run").unique().height
    start = pl.col("step") == 0
    own = values.filter((pl.col("topic") == ALL) & ~(start & pl.col("run").str.contains("/")))
    own = own.with_columns(run=pl.when(start).then(pl.lit("base")).otherwise("run"))
    points = own.unique(["model", "run", "step"])
    others = len(configuration["statistics"].get("seeds", ()))
    seeds = f"{configuration['seed']}" + (f", and results with {others} others" if others else "")
    models = (f"{model.title}, {about(inputs.sizes[model.name])} parameters" for model in display.measured(values))
    return [
        ("Model" if len(display.models) == 1 else "Models", "; ".join(models)),
        ("Runs", f"{runs:,}, with {points.height:,} checkpoints"),
        ("Questions", "; ".join(_questions(points, suite, inputs) for suite in display.suites)),
        ("Judged answers", f"{sum(points['answers']):,}"),
        ("Judge", "; ".join(_judge(suite, inputs) for suite in display.suites)),
        ("Seed" if not others else "Seeds", seeds),
        ("Answers judged on", inputs.date),
        ("Program", inputs.commit[:10]),
    ]


def limits(inputs: ReportInputs) -> str:
    """Return in words what the report doesn't show."""
    models = inputs.configuration["models"]
    toys = [model for model in inputs.display.models.values() if "scratch" in models[model.name]]
    made = "; ".join(f"{model.title} is a toy of {about(inputs.sizes[model.name])} parameters" for model in toys)
    toy = f"{made}, made here and trained on invented sentences: its numbers show that the measurement works, and say "
    seeds = "" if inputs.configuration["statistics"].get("seeds") else "training seeds, "
    others = f"Whether other {seeds}questions or judges give the same."
    return f"{others} {toy}nothing about real language models." if toys else others


def about(count: float) -> str:
    """Return a count with two significant digits in words, such as `about 120,000` or `about 4 billion`."""
    rounded = float(f"{count:.2g}")
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if rounded >= size:
            return f"about {rounded / size:g} {name}"
    return f"about {rounded:,.0f}"


def citation(inputs: ReportInputs) -> str:
    """Return BibTeX entries of this run (its commit, configuration, seeds and date) and of the paper."""
    models = latex_text(", ".join(model.title for model in inputs.display.measured(inputs.values)))
    digest = text_digest(json.dumps(inputs.configuration, sort_keys=True))
    others = inputs.configuration["statistics"].get("seeds", ())
    seeds = f"seed {inputs.configuration['seed']}" + (f", and {len(others)} others" if others else "")
    note = f"Commit {inputs.commit}, configuration {digest[:16]}, {seeds}, answers judged on {inputs.date}"
    return _BIBTEX.format(key=digest[:8], models=models, year=inputs.date[:4], note=note)


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


def _questions(points: pl.DataFrame, suite: Suite, inputs: ReportInputs) -> str:
    """Return how the suite's models were asked, with the suite's name if there are several."""
    display, generation = inputs.display, inputs.configuration["suites"][suite.name]["generation"]
    models = [name for name in display.models if display.suite(name) == suite]
    most = max(points.filter(pl.col("model").is_in(models))["questions"], default=0)
    asked = f"{most:,} {display.of_suite(suite)}".rstrip()
    answers = f"{generation['answers']} answer{'s' * (generation['answers'] > 1)}"
    return f"{asked}, {answers} each at temperature {generation['temperature']}"


def _judge(suite: Suite, inputs: ReportInputs) -> str:
    """Return the suite's judges, and how often their values are right on its models' own answers, by stage."""
    display, agreement = inputs.display, None if inputs.corrected is None else inputs.corrected.agreement
    models = [name for name in display.models if display.suite(name) == suite]
    stages = [] if agreement is None else agreement_lines(agreement.filter(pl.col("model").is_in(models)), display)
    right = [(stage, found["accuracy", "all"]["value"]) for _, stage, found in stages]
    shares = [f"{100 * share:.0f} % ({stage})" for stage, share in right if share is not None]
    reference = inputs.configuration["suites"][suite.name].get("reference", {}).get("judge")
    is_right = f"agrees with {reference} on" if reference else "right on"
    quality = f"{is_right} {', '.join(shares)} of these answers" if shares else "not measured on these answers"
    return f"{' and '.join(suite.judges)}, {quality}"
