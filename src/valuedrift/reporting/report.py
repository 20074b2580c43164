"""The report: one page that holds everything it shows, and its numbers as `summary.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from markupsafe import Markup

from valuedrift.files import write_json, write_text
from valuedrift.reporting import sections
from valuedrift.reporting.benchmarks import StageCost
from valuedrift.reporting.figures import CALIBRATION_COLUMNS, VALUE_COLUMNS
from valuedrift.reporting.labels import Topics, require_columns, require_topics
from valuedrift.reporting.page_charts import picker_topics, recovery_panels, trajectory_groups
from valuedrift.reporting.rendering import asset, render, script_hash
from valuedrift.reporting.samples import sample_answers
from valuedrift.reporting.style import LOOKS
from valuedrift.reporting.table_files import Table, body_rows, header_rows, is_numeric
from valuedrift.reporting.tables import DRIFT_COLUMNS, paper_tables
from valuedrift.statistics.panel import STANCES


@dataclass(frozen=True)
class ReportInputs:
    """Everything the report shows.

    values, drift, calibration: the tables of `valuedrift.statistics`; calibration may have no rows
    findings: {name, holds (None: not measured), statement, numbers}
    judge: {accuracy, low, high, n, confusion {true: {predicted: count}}, recall, precision, unassigned}; None: not
    measured
    answers: judged answers, untrusted
    versions: program or package → version; configuration: plain values, shown as YAML
    """

    values: pl.DataFrame
    drift: pl.DataFrame
    calibration: pl.DataFrame
    findings: Sequence[Mapping[str, Any]]
    judge: Mapping[str, Any] | None
    answers: pl.DataFrame
    topics: Topics
    stages: Sequence[StageCost]
    versions: Mapping[str, str]
    commit: str
    configuration: Mapping[str, Any]


def write_report(inputs: ReportInputs, out_dir: Path | str) -> None:
    """Write `index.html`, which needs no network, and `summary.json`. Raises DataError on a missing column."""
    require_columns(inputs.values, "values", (*VALUE_COLUMNS, "questions", "answers"))
    require_columns(inputs.drift, "drift", DRIFT_COLUMNS)
    require_columns(inputs.calibration, "calibration", CALIBRATION_COLUMNS)
    require_topics(inputs.values, "values", inputs.topics)
    write_text(Path(out_dir) / "index.html", report_page(inputs))
    write_json(Path(out_dir) / "summary.json", report_summary(inputs))


def report_summary(inputs: ReportInputs) -> dict[str, Any]:
    """The report's numbers for programs; what isn't a finite number is null."""
    summary = {
        "findings": [{key: finding[key] for key in ("name", "holds", "numbers")} for finding in inputs.findings],
        "calibration": sections.calibration_summary(inputs.calibration),
        "judge": None if inputs.judge is None else dict(inputs.judge),
        "stages": [
            {"stage": stage.stage, "wall_seconds": stage.wall_seconds, "peak_mib": stage.peak_mib}
            for stage in inputs.stages
        ],
        "versions": dict(inputs.versions),
        "commit": inputs.commit,
        "configuration": inputs.configuration,
    }
    finite: dict[str, Any] = _finite(summary)
    return finite


def report_page(inputs: ReportInputs) -> str:
    """The page's HTML: styles, script, charts and answers inline; its policy lets it load nothing."""
    script = asset("report.js")
    chosen = picker_topics(inputs.values, inputs.topics)
    return render(
        "report.html",
        style=Markup(asset("report.css")),
        script=Markup(script),
        script_hash=script_hash(script),
        looks=LOOKS,
        stances=STANCES,
        topics=inputs.topics,
        facts=sections.facts(inputs.values),
        verdicts=sections.verdicts(inputs.findings),
        matrices=sections.matrices(inputs.drift, inputs.topics),
        overall=sections.overall_lines(inputs.drift, inputs.topics),
        largest=sections.largest_lines(inputs.drift, inputs.topics),
        chart_topics=chosen,
        chart_groups=trajectory_groups(inputs.values, chosen, inputs.topics),
        tables=[_page_table(table) for table in paper_tables(inputs.drift, inputs.topics) if table.name != "drift_all"],
        calibration=sections.calibration_summary(inputs.calibration),
        recovery=recovery_panels(inputs.calibration),
        judge=inputs.judge,
        predicted=sections.predicted_labels(inputs.judge),
        samples=sample_answers(inputs.answers, inputs.values["model"].unique().to_list(), inputs.topics),
        stages=sorted(inputs.stages, key=lambda stage: -stage.wall_seconds),
        number=sections.number,
        duration=sections.duration,
        versions=inputs.versions,
        commit=inputs.commit,
        configuration=yaml.safe_dump(dict(inputs.configuration), sort_keys=False, allow_unicode=True),
    )


def _page_table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "caption": " ".join((table.caption, *table.notes)),
        "header": header_rows(table.frame.columns),
        "numeric": is_numeric(table),
        "rows": body_rows(table),
    }


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
