"""What the report's sections show, as plain data: the template only lays it out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from valuedrift.paper.display_order import Topics, ordered, run_order, topic_name
from valuedrift.paper.figures import mean_absolute_error
from valuedrift.paper.table_files import MISSING, shown
from valuedrift.paper.tables import signed, time_text
from valuedrift.report.answers import BASE_RUN, RunAnswers
from valuedrift.statistics.panel import ALL, STANCES
from valuedrift.titles import algorithm_title, data_title, full_title, model_title, origin_title, phases, run_title
from valuedrift.workflow.benchmark_files import StageCost

_FINDINGS = {
    "sft_sets_values_early": "SFT sets the values, early",
    "small_gap_barely_moves": "Pairs with a small value gap barely move them",
    "wide_gap_separates_algorithms": "Pairs with a wide value gap tell the algorithms apart",
}
_LARGEST = 12


@dataclass(frozen=True)
class Verdict:
    """A model's finding: `mark` is holds, fails or open; `numbers` are (what, value) as text."""

    model: str
    number: int
    title: str
    mark: str
    statement: str
    numbers: list[tuple[str, str]]


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
class JudgedLine:
    """One run's answers as the judge saw them, as text."""

    model: str
    run: str
    answers: str
    unassigned: str
    refusals: str
    without_stance: str


def verdicts(findings: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    """The findings in their order, numbered anew for each model."""
    marks = {True: "holds", False: "fails", None: "open"}
    counts = Counter[str]()
    return [
        Verdict(
            model_title(finding["model"]),
            _next(counts, finding["model"]),
            _FINDINGS.get(finding["name"], finding["name"].replace("_", " ").capitalize()),
            marks[finding["holds"]],
            finding["statement"],
            list(number_lines(finding["numbers"])),
        )
        for finding in findings
    ]


def _next(counts: Counter[str], key: str) -> int:
    counts[key] += 1
    return counts[key]


def number_lines(numbers: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Nested numbers as (path, text); {value, low, high} is one line with its interval."""
    if {"value", "low", "high"} <= set(numbers):
        estimate = f"{number(numbers['value'])} [{number(numbers['low'])}, {number(numbers['high'])}]"
        yield " · ".join(place), estimate
        numbers = {key: value for key, value in numbers.items() if key not in ("value", "low", "high")}
    for key, value in numbers.items():
        path = (*place, str(key).replace("_", " "))
        if isinstance(value, Mapping):
            yield from number_lines(value, path)
        else:
            yield " · ".join(path), number(value)


def number(value: object) -> str:
    """A number, word or list of either as readers see it."""
    if isinstance(value, list | tuple):
        return ", ".join(number(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "not measured"
    return shown(f"{value:.2f}" if isinstance(value, float) else value)


def phase_title(run: str) -> str:
    """The heading under which a run is shown: SFT, or its preference data."""
    last = phases(run)[-1]
    if last.algorithm == "sft":
        return "Supervised fine-tuning"
    return f"Preference optimisation on {data_title(last.data)}"


def short_title(run: str) -> str:
    """What a run needs below its phase's heading: `DPO after WildChat`, or an SFT run's data."""
    first, last = phases(run)[0], phases(run)[-1]
    if first == last:
        return data_title(last.data)
    return f"{algorithm_title(last.algorithm)} after {data_title(first.data)}"


def runs_by_phase(runs: Sequence[str]) -> list[tuple[str, list[str]]]:
    """(phase, its runs), in the order in which runs are shown."""
    groups: dict[str, list[str]] = {}
    for run in sorted(runs, key=run_order):
        groups.setdefault(phase_title(run), []).append(run)
    return list(groups.items())


def overall_lines(drift: pl.DataFrame, topics: Topics) -> list[DriftLine]:
    """Every run's three stances over all topics."""
    rows = [row for row in drift.iter_rows(named=True) if row["topic"] == ALL]
    rows.sort(key=lambda row: (row["model"], run_order(row["run"]), STANCES.index(row["stance"])))
    return [_line(row, topics) for row in rows]


def largest_lines(drift: pl.DataFrame, topics: Topics) -> list[DriftLine]:
    """The dozen largest drifts; of a run's stances on a topic, which mirror each other, only the largest."""
    size = pl.col("magnitude").abs()
    single = drift.filter(pl.col("topic") != ALL).sort(size, descending=True, maintain_order=True)
    first = single.unique(["model", "run", "topic"], keep="first", maintain_order=True)
    return [_line(row, topics) for row in first.head(_LARGEST).iter_rows(named=True)]


def facts(values: pl.DataFrame) -> list[tuple[str, str]]:
    """What was measured: models, runs, checkpoints, questions, answers. A shared start point counts once."""
    runs = values.select("model", "run").unique().height
    start = pl.col("step") == 0
    own = values.filter((pl.col("topic") == ALL) & ~(start & pl.col("run").str.contains("/")))
    own = own.with_columns(run=pl.when(start).then(pl.lit("base")).otherwise("run"))
    points = own.unique(["model", "run", "step"])
    return [
        ("Models", ", ".join(model_title(model) for model in values["model"].unique().sort().to_list())),
        ("Runs", f"{runs:,}"),
        ("Checkpoints", f"{points.height:,}"),
        ("Questions", f"{max(points['questions'], default=0):,}"),
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


def predicted_labels(judge: Mapping[str, Any] | None) -> list[str]:
    """The columns of the judge's confusion matrix: the stances, then whatever else it answered."""
    counts = {} if judge is None else judge["confusion"]
    return ordered((label for row in counts.values() for label in row), STANCES)


def true_labels(judge: Mapping[str, Any] | None) -> list[str]:
    """The rows of the judge's confusion matrix, in the stances' order."""
    found = {} if judge is None else judge["confusion"]
    return [label for label in ordered(found, STANCES) if label in found]


def judged_lines(told: Sequence[RunAnswers]) -> list[JudgedLine]:
    """What the judge made of each run's answers; a run whose style it can't read shows here."""
    return [
        JudgedLine(
            model_title(run.model),
            "Base model" if run.run == BASE_RUN else full_title(run.run),
            f"{run.answers:,}",
            MISSING if run.unassigned is None else f"{run.unassigned:.4f}",
            f"{run.refusals / run.answers:.1%}".replace("%", " %"),
            f"{run.without_stance:,}",
        )
        for run in told
    ]


def stage_shares(stages: Sequence[StageCost]) -> list[tuple[StageCost, float]]:
    """The stages, longest first, each with its share of all wall seconds."""
    total = sum(stage.wall_seconds for stage in stages) or 1.0
    ranked = sorted(stages, key=lambda stage: -stage.wall_seconds)
    return [(stage, stage.wall_seconds / total) for stage in ranked]


def _line(row: Mapping[str, Any], topics: Topics) -> DriftLine:
    return DriftLine(
        model_title(row["model"]),
        run_title(row["run"]),
        origin_title(row["run"]),
        topic_name(topics, row["topic"]),
        row["stance"],
        f"{row['start_value']:.2f} → {row['end_value']:.2f}",
        shown(signed(row["magnitude"])),
        interval(row),
        time_text(row),
        time_interval(row),
    )


def interval(row: Mapping[str, Any]) -> str:
    """The 95 % interval of a drift's magnitude."""
    return shown(f"[{signed(row['low'])}, {signed(row['high'])}]")


def time_interval(row: Mapping[str, Any]) -> str:
    """The 95 % interval of a drift's time; nothing where there is none."""
    if row["time_low"] is None or row["time_high"] is None:
        return ""
    return f"[{row['time_low']:.2f}, {row['time_high']:.2f}]"
