"""The report: a folder with one page, the pieces that it loads, and its numbers as `summary.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from valuedrift.files import write_json, write_text
from valuedrift.paper.corrected_figures import METHODS
from valuedrift.paper.display_order import Topics, require_columns, require_topics
from valuedrift.paper.figures import CALIBRATION_COLUMNS, VALUE_COLUMNS
from valuedrift.paper.rendering import asset, render, stance_rules
from valuedrift.paper.style import LOOKS
from valuedrift.paper.table_files import Table, body_rows, header_rows, is_numeric
from valuedrift.paper.tables import paper_tables
from valuedrift.quantities import duration
from valuedrift.report import data_evidence as evidence
from valuedrift.report import judge_correction as correction
from valuedrift.report import sections
from valuedrift.report.answers import RunAnswers, check_answers, write_answers
from valuedrift.report.data_evidence import Expressed, Foretold
from valuedrift.report.judge_correction import Corrected
from valuedrift.report.page_charts import recovery_panels
from valuedrift.report.page_index import METRICS, PPO_SCORE, write_index, write_training, write_values
from valuedrift.report.phases import PHASE_COLUMNS, matrices, phase_lines
from valuedrift.statistics.panel import STANCES
from valuedrift.workflow.benchmark_files import StageCost

SCRIPTS = ("page.js", "charts.js", "trajectories.js", "answers.js", "evidence.js")
"""The page's scripts in the order in which they are loaded."""


@dataclass(frozen=True)
class ReportInputs:
    """Everything the report shows.

    values, drift, calibration: the tables of `valuedrift.statistics`
    findings: {model, name, holds (None: not measured), statement, numbers}
    judge: {accuracy, low, high, n, confusion {true: {predicted: count}}, recall, precision, unassigned}; None: not
    measured
    answers: judged answers, untrusted; as a LazyFrame they are read a run at a time
    versions: program or package → version; configuration: plain values, shown as YAML
    corrected: what labels of the models' answers say of the judge and of drifts; None: no answer was labelled
    expressed, foretold: what the data sets express, and what that foretold
    training: model, run, step, metric, value of every training run
    planned: stage, jobs, predicted_seconds, measured_seconds, ratio
    A table without rows (all but values and drift may have none) was not measured.
    """

    values: pl.DataFrame
    drift: pl.DataFrame
    calibration: pl.DataFrame
    findings: Sequence[Mapping[str, Any]]
    judge: Mapping[str, Any] | None
    answers: pl.DataFrame | pl.LazyFrame
    topics: Topics
    stages: Sequence[StageCost]
    versions: Mapping[str, str]
    commit: str
    configuration: Mapping[str, Any]
    corrected: Corrected | None
    expressed: Expressed
    foretold: Foretold
    training: pl.DataFrame
    planned: pl.DataFrame


def write_report(inputs: ReportInputs, out_dir: Path | str) -> None:
    """Write `index.html`, its style, scripts and pieces, and `summary.json`; nothing of it needs a network.

    Raises DataError on a missing column or an unknown topic, before anything is written.
    """
    require_columns(inputs.values, "values", (*VALUE_COLUMNS, "questions", "answers"))
    require_columns(inputs.drift, "drift", PHASE_COLUMNS)
    require_columns(inputs.calibration, "calibration", CALIBRATION_COLUMNS)
    require_topics(inputs.values, "values", inputs.topics)
    check_answers(inputs.answers.lazy(), inputs.topics)
    out = Path(out_dir)
    told = write_answers(inputs.answers.lazy(), inputs.topics, out)
    write_index(inputs.values, told, inputs.topics, out)
    write_values(inputs.values, inputs.topics, out)
    write_training(inputs.training, out)
    examples = evidence.write_examples(inputs.expressed, inputs.foretold, inputs.topics, out)
    write_text(out / "report.css", stance_rules() + asset("report.css"))
    for name in SCRIPTS:
        write_text(out / name, asset(name))
    write_text(out / "index.html", report_page(inputs, told, examples))
    write_json(out / "summary.json", report_summary(inputs))


def report_summary(inputs: ReportInputs) -> dict[str, Any]:
    """The report's numbers for programs; what isn't a finite number is null."""
    summary = {
        "findings": [
            {key: finding[key] for key in ("model", "name", "holds", "numbers")} for finding in inputs.findings
        ],
        "calibration": sections.calibration_summary(inputs.calibration),
        "judge": None if inputs.judge is None else dict(inputs.judge),
        "agreement": None if inputs.corrected is None else inputs.corrected.agreement.to_dicts(),
        "stages": [
            {"stage": stage.stage, "wall_seconds": stage.wall_seconds, "peak_mib": stage.peak_mib}
            for stage in inputs.stages
        ],
        "planned": inputs.planned.to_dicts(),
        "versions": dict(inputs.versions),
        "commit": inputs.commit,
        "configuration": inputs.configuration,
    }
    finite: dict[str, Any] = _finite(summary)
    return finite


def report_page(inputs: ReportInputs, told: Sequence[RunAnswers], examples: Sequence[tuple[str, str]]) -> str:
    """The page's HTML; its policy lets it load only the files beside it.

    told: what `write_answers` returned · examples: the data sets of `write_examples`
    """
    return render(
        "report.html",
        scripts=SCRIPTS,
        looks=LOOKS,
        stances=STANCES,
        topics=inputs.topics,
        facts=sections.facts(inputs.values),
        verdicts=sections.verdicts(inputs.findings),
        phases=phase_lines(inputs.drift, inputs.topics),
        matrices=matrices(inputs.drift, inputs.topics),
        overall=sections.overall_lines(inputs.drift, inputs.topics),
        largest=sections.largest_lines(inputs.drift, inputs.topics),
        tables=[_page_table(table) for table in paper_tables(inputs.drift, inputs.topics) if table.name != "drift_all"],
        calibration=sections.calibration_summary(inputs.calibration),
        recovery=recovery_panels(inputs.calibration),
        judge=inputs.judge,
        actuals=sections.true_labels(inputs.judge),
        predicted=sections.predicted_labels(inputs.judge),
        judged=sections.judged_lines(told),
        is_thinned=any(run.kept != run.steps for run in told),
        **_corrected(inputs.corrected),
        **_evidence(inputs),
        examples=examples,
        metrics=_metrics(inputs.training),
        ppo_score=PPO_SCORE,
        stages=sections.stage_shares(inputs.stages),
        planned=inputs.planned.to_dicts(),
        number=sections.number,
        duration=duration,
        versions=inputs.versions,
        commit=inputs.commit,
        seed=inputs.configuration.get("seed"),
        configuration=yaml.safe_dump(dict(inputs.configuration), sort_keys=False, allow_unicode=True),
    )


def _corrected(corrected: Corrected | None) -> dict[str, Any]:
    return {
        "agreement": correction.agreement_lines(corrected.agreement) if corrected else [],
        "corrected_panels": correction.corrected_panels(corrected.drift) if corrected else [],
        "corrected_lines": correction.corrected_lines(corrected) if corrected else [],
        "kept": correction.kept_directions(corrected.drift) if corrected else [],
        "refusals": correction.refusals(corrected.drift) if corrected else [],
        "methods": METHODS,
    }


def _evidence(inputs: ReportInputs) -> dict[str, Any]:
    return {
        "share_panels": evidence.share_panels(inputs.expressed, inputs.topics),
        "gap_panels": evidence.gap_panels(inputs.expressed, inputs.topics),
        "gap_lines": evidence.gap_lines(inputs.expressed),
        "prediction_panels": evidence.prediction_panels(inputs.foretold, inputs.topics),
        "error_lines": evidence.error_lines(inputs.foretold),
    }


def _metrics(training: pl.DataFrame) -> dict[str, str]:
    present = set(training["metric"])
    return {metric: title for metric, title in METRICS.items() if metric in present}


def _page_table(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "caption": table.caption,
        "notes": table.notes,
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
