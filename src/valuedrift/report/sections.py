"""What the report's sections show, as plain data: the template only lays it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from valuedrift.display import BASE, Display, Suite, rank
from valuedrift.paper.drift_figures import mean_absolute_error
from valuedrift.paper.drift_tables import signed, time_text
from valuedrift.paper.table_files import MISSING, shown
from valuedrift.report.answers import RunAnswers
from valuedrift.statistics.panel import ALL, STANCES
from valuedrift.titles import algorithm_title, phases
from valuedrift.workflow.benchmark_files import StageCost

_LARGEST = 12


@dataclass(frozen=True)
class DriftLine:
    """A drift in words: magnitude and time with their intervals."""

    model: str
    run: str
    origin: str
    topic: str
    stance: str
    span: str
    magnitude: str
    interval: str
    time: str
    time_interval: str


@dataclass(frozen=True)
class JudgeQuality:
    """A judge on held-out labelled answers.

    Attributes:
        title: Its name and its models, where there are several judges.
        measured: Its quality file; None where it wasn't measured.
    """

    title: str
    measured: Mapping[str, Any] | None

    @property
    def true_labels(self) -> list[str]:
        """The rows of its confusion matrix, in the stances' order."""
        found = {} if self.measured is None else self.measured["confusion"]
        return sorted(found, key=lambda label: rank(label, STANCES))

    @property
    def found_labels(self) -> list[str]:
        """The columns of its confusion matrix: the stances, then whatever else it answered."""
        counts = {} if self.measured is None else self.measured["confusion"]
        found = {label for row in counts.values() for label in row}
        return sorted({*STANCES, *found}, key=lambda label: rank(label, STANCES))


@dataclass(frozen=True)
class JudgedLine:
    """One run's answers as the judge saw them, as text."""

    model: str
    run: str
    answers: str
    unassigned: str
    refusals: str
    without_stance: str


def phase_title(suite: Suite, run: str) -> str:
    """The heading under which a run is shown: SFT, or its preference data."""
    last = phases(run)[-1]
    if last.algorithm == "sft":
        return "Supervised fine-tuning"
    return f"Preference optimisation on {suite.data_title(last.data)}"


def short_title(suite: Suite, run: str) -> str:
    """What a run needs below its phase's heading: `DPO after ‹SFT set›`, or an SFT run's data."""
    first, last = phases(run)[0], phases(run)[-1]
    if first == last:
        return suite.data_title(last.data)
    return f"{algorithm_title(last.algorithm)} after {suite.data_title(first.data)}"


def runs_by_phase(suite: Suite, runs: Sequence[str]) -> list[tuple[str, list[str]]]:
    """(phase, its runs), in the order in which runs are shown."""
    groups: dict[str, list[str]] = {}
    for run in sorted(runs, key=suite.run_order):
        groups.setdefault(phase_title(suite, run), []).append(run)
    return list(groups.items())


def overall_lines(drift: pl.DataFrame, display: Display) -> list[DriftLine]:
    """Every run's three stances over all topics."""
    rows = [row for row in drift.iter_rows(named=True) if row["topic"] == ALL]
    rows.sort(key=lambda row: (display.run_order(row["model"], row["run"]), STANCES.index(row["stance"])))
    return [_line(row, display) for row in rows]


def largest_lines(drift: pl.DataFrame, display: Display) -> list[DriftLine]:
    """The dozen largest drifts; of a run's stances on a topic, which mirror each other, only the largest."""
    size = pl.col("magnitude").abs()
    single = drift.filter(pl.col("topic") != ALL).sort(size, descending=True, maintain_order=True)
    first = single.unique(["model", "run", "topic"], keep="first", maintain_order=True)
    return [_line(row, display) for row in first.head(_LARGEST).iter_rows(named=True)]


def facts(values: pl.DataFrame, display: Display) -> list[tuple[str, str]]:
    """What was measured: models, runs, checkpoints, questions, answers. A shared start point counts once."""
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
    """Mean absolute error of recovery, over all rows and per data set, and the share of intervals that hit."""
    if calibration.is_empty():
        return {"mae": None, "covered": None, "rows": 0, "by_data": {}}
    hits = calibration.select(pl.col("planted").is_between(pl.col("low"), pl.col("high")).mean()).item()
    by_data = {
        data: mean_absolute_error(calibration.filter(pl.col("data") == data))
        for data in calibration["data"].unique(maintain_order=True)
    }
    return {"mae": mean_absolute_error(calibration), "covered": hits, "rows": calibration.height, "by_data": by_data}


def judge_qualities(judges: Mapping[str, Mapping[str, Any]], display: Display) -> list[JudgeQuality]:
    """Every judge of the reported models, whether measured or not."""
    models: dict[str, list[str]] = {}
    for model in display.models.values():
        models.setdefault(model.suite.judge, []).append(model.title)
    return [
        JudgeQuality(f"{name}, of {', '.join(titles)}" if len(models) > 1 else "", judges.get(name))
        for name, titles in models.items()
    ]


def judged_lines(answers: Sequence[RunAnswers], display: Display) -> list[JudgedLine]:
    """What the judge made of each run's answers; a run whose style it can't read shows here."""
    return [
        JudgedLine(
            display.model(run.model).title,
            "Base model" if run.run == BASE else display.suite(run.model).full_title(run.run),
            f"{run.answers:,}",
            MISSING if run.unassigned is None else f"{run.unassigned:.4f}",
            f"{run.refusals / run.answers:.1%}".replace("%", " %"),
            f"{run.without_stance:,}",
        )
        for run in answers
    ]


def stage_shares(stages: Sequence[StageCost]) -> list[tuple[StageCost, float]]:
    """The stages, longest first, each with its share of all wall seconds."""
    total = sum(stage.wall_seconds for stage in stages) or 1.0
    ranked = sorted(stages, key=lambda stage: -stage.wall_seconds)
    return [(stage, stage.wall_seconds / total) for stage in ranked]


def _line(row: Mapping[str, Any], display: Display) -> DriftLine:
    suite = display.suite(row["model"])
    return DriftLine(
        display.model(row["model"]).title,
        suite.run_title(row["run"]),
        suite.origin_title(row["run"]),
        display.topic_name(row["topic"]),
        row["stance"],
        f"{row['start_value']:.2f} → {row['end_value']:.2f}",
        shown(signed(row["magnitude"])),
        interval(row),
        time_text(row),
        time_interval(row),
    )


def _questions(points: pl.DataFrame, suite: Suite, display: Display) -> str:
    """How many questions the suite's models were asked, and which suite that is where there are several."""
    models = [name for name in display.models if display.suite(name) == suite]
    most = max(points.filter(pl.col("model").is_in(models))["questions"], default=0)
    return " ".join(part for part in (f"{most:,}", display.of_suite(suite)) if part)


def interval(row: Mapping[str, Any]) -> str:
    """The 95 % interval of a drift's magnitude."""
    return shown(f"[{signed(row['low'])}, {signed(row['high'])}]")


def time_interval(row: Mapping[str, Any]) -> str:
    """The 95 % interval of a drift's time; nothing where there is none."""
    if row["time_low"] is None or row["time_high"] is None:
        return ""
    return f"[{row['time_low']:.2f}, {row['time_high']:.2f}]"
