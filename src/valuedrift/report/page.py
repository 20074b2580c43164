"""Write the report: a folder with one page, the pieces that it loads, and its numbers in `summary.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from valuedrift.display import Display
from valuedrift.files import write_json, write_text
from valuedrift.packaged import packaged_text
from valuedrift.paper.drift_tables import drift_tables
from valuedrift.paper.health_tables import controls_table, health_tables
from valuedrift.paper.index_pages import page_table
from valuedrift.paper.rendering import render
from valuedrift.paper.style import LOOKS
from valuedrift.paper.table_formats import Table
from valuedrift.quantities import duration
from valuedrift.report import data_evidence as evidence
from valuedrift.report import judge_correction as correction
from valuedrift.report import sections
from valuedrift.report.answers import LABELS, RunAnswers, label_counts, write_answers
from valuedrift.report.charts import recovery_panels
from valuedrift.report.data_evidence import Expressed, Predicted
from valuedrift.report.drift_cards import write_cards
from valuedrift.report.finding_statements import number, verdicts
from valuedrift.report.judge_correction import Corrected
from valuedrift.report.page_index import METRICS, PPO_SCORE, write_index, write_training, write_values
from valuedrift.report.page_script import SCRIPT, page_script
from valuedrift.report.phases import SPARK, leading_runs, matrices, phase_lines
from valuedrift.report.words import WORDS, with_verdicts
from valuedrift.statistics.panel import STANCES


@dataclass(frozen=True)
class ReportInputs:
    """Everything that the report shows. Any table but `values` and `drift` may have no rows, if it wasn't measured.

    Attributes:
        display: Names and orders.
        values: The table `values` of `valuedrift.statistics`.
        drift: The table `drift` of `valuedrift.statistics`.
        calibration: The table of planted and measured shares of `valuedrift.statistics`.
        findings: {model, name, holds, reason (why `holds` is None), statement, numbers} of each finding.
        judges: Judge → {accuracy, low, high, n, confusion {true: {predicted: count}}, recall, precision, unassigned},
            for each judge that was measured on labelled answers.
        answers: Judged answers, untrusted; a LazyFrame is read one run at a time.
        stages: The cost of each stage.
        versions: Program or package → version.
        commit: The program's commit.
        date: The day on which the last answers were judged.
        sizes: Model → its number of parameters.
        configuration: The configuration as plain values, shown as YAML.
        health: The table `health` of `valuedrift.statistics`.
        framing: The table `framing` of `valuedrift.statistics`.
        controls: Drift tables of negative controls.
        judges_compared: Tables that compare several judges.
        corrected: The judge's agreement with labels of the models' answers, and the drifts corrected with the labels;
            None if no answer was labelled.
        expressed: Suite → what its data sets express.
        predicted: The drift that SFT data predict.
        training: Columns model, run, step, metric and value, of every training run.
        planned: Columns stage, jobs, predicted_seconds, measured_seconds and ratio.
    """

    display: Display
    values: pl.DataFrame
    drift: pl.DataFrame
    calibration: pl.DataFrame
    findings: Sequence[Mapping[str, Any]]
    judges: Mapping[str, Mapping[str, Any]]
    answers: pl.DataFrame | pl.LazyFrame
    stages: pl.DataFrame
    versions: Mapping[str, str]
    commit: str
    date: str
    sizes: Mapping[str, float]
    configuration: Mapping[str, Any]
    health: pl.DataFrame
    framing: pl.DataFrame
    controls: Sequence[pl.DataFrame]
    judges_compared: Sequence[Table]
    corrected: Corrected | None
    expressed: Mapping[str, Expressed]
    predicted: Predicted
    training: pl.DataFrame
    planned: pl.DataFrame


def write_report(inputs: ReportInputs, out_dir: Path | str) -> None:
    """Write `index.html`, its style sheet, script and pieces, and `summary.json`; the page needs no network.

    Raises DataError for a model or topic that the configuration lacks.
    """
    display = inputs.display
    out = Path(out_dir)
    write_cards(_with_verdicts(inputs), out)
    answered = write_answers(inputs.answers.lazy(), display, out)
    write_index(inputs.values, answered, leading_runs(inputs.drift), display, out)
    write_values(display.banded(inputs.values), display, out)
    write_training(inputs.training, display, out)
    examples = evidence.write_examples(inputs.expressed, inputs.predicted, display, out)
    write_text(out / "report.css", style_sheet())
    write_text(out / SCRIPT, page_script())
    write_text(out / "index.html", report_page(inputs, answered, examples))
    write_json(out / "summary.json", report_summary(inputs))


def report_summary(inputs: ReportInputs) -> dict[str, Any]:
    """Return the report's numbers for programs; NaN and infinite numbers are None."""
    summary = {
        "findings": [
            {key: finding[key] for key in ("model", "name", "holds", "reason", "numbers", "healthy", "unhealthy")}
            for finding in inputs.findings
        ],
        "calibration": sections.calibration_summary(inputs.calibration),
        "judges": {name: dict(quality) for name, quality in inputs.judges.items()},
        "agreement": None if inputs.corrected is None else inputs.corrected.agreement.to_dicts(),
        "stages": inputs.stages.drop("jobs").to_dicts(),
        "planned": inputs.planned.to_dicts(),
        "versions": dict(inputs.versions),
        "commit": inputs.commit,
        "configuration": inputs.configuration,
    }
    finite: dict[str, Any] = _finite(summary)
    return finite


def report_page(inputs: ReportInputs, answered: Sequence[RunAnswers], examples: Sequence[tuple[str, str]]) -> str:
    """Return the page's HTML; its security policy allows only files of its own folder.

    Args:
        inputs: The data that the page shows.
        answered: The result of `write_answers`.
        examples: The result of `write_examples`.
    """
    display, drift = inputs.display, _with_verdicts(inputs)
    return render(
        "valuedrift.report",
        "report.html",
        **WORDS,
        given=inputs,
        display=display,
        script=SCRIPT,
        looks=LOOKS,
        stances=STANCES,
        facts=sections.facts(inputs),
        limits=sections.limits(inputs),
        verdicts=verdicts(inputs.findings, display),
        small=_small(inputs),
        phases=phase_lines(drift, display),
        matrices=matrices(drift, inputs.values, display),
        spark=SPARK,
        citation=sections.citation(inputs),
        confusions=label_counts(inputs.answers.lazy(), answered),
        labels_known=LABELS,
        tables=[page_table(table) for table in drift_tables(inputs.drift, display) if table.name != "drift_all"],
        health=[
            page_table(table)
            for table in (
                *health_tables(inputs.health, inputs.framing, display),
                *(controls_table(drift, display) for drift in inputs.controls),
            )
        ],
        calibration=sections.calibration_summary(inputs.calibration),
        recovery=recovery_panels(inputs.calibration, display),
        judges_compared=[page_table(table) for table in inputs.judges_compared],
        judges=sections.judge_qualities(inputs.judges, display),
        answered=answered,
        **_corrected(inputs.corrected, display),
        evidence=evidence.suite_evidence(inputs.expressed, display),
        prediction_panels=evidence.prediction_panels(inputs.predicted, display),
        prediction_errors=inputs.predicted.errors.to_dicts(),
        prediction_methods=evidence.METHODS,
        examples=examples,
        metrics=_metrics(inputs.training),
        ppo_score=PPO_SCORE,
        stages=inputs.stages.sort("wall_seconds", descending=True).to_dicts(),
        planned=inputs.planned.to_dicts(),
        number=number,
        duration=duration,
        configuration=yaml.safe_dump(dict(inputs.configuration), sort_keys=False, allow_unicode=True),
    )


def style_sheet() -> str:
    """Return the page's style sheet, with the same looks of the stances as in figures (see `style.LOOKS`)."""
    colours = " ".join(f"--{stance}: {look.colour};" for stance, look in LOOKS.items())
    dashes = "".join(
        f".line.{stance} {{ stroke-dasharray: {look.dash[0]} {look.dash[1]}; }}\n"
        for stance, look in LOOKS.items()
        if look.dash[1]
    )
    return f":root {{ {colours} }}\n{dashes}{packaged_text('valuedrift.report', 'templates', 'report.css')}"


def _small(inputs: ReportInputs) -> float:
    """Return the change below which a drift that isn't real counts as small: the limit of the word *barely*."""
    return float(inputs.configuration["statistics"]["barely"])


def _with_verdicts(inputs: ReportInputs) -> pl.DataFrame:
    return with_verdicts(inputs.drift, _small(inputs))


def _corrected(corrected: Corrected | None, display: Display) -> dict[str, Any]:
    if corrected is None:
        return {"agreement": [], "corrected": []}
    return {
        "agreement": correction.agreement_lines(corrected.agreement, display),
        "corrected": correction.corrected_drifts(corrected, display),
        "corrected_panels": correction.corrected_panels(corrected.drift, display),
        "kept": correction.kept_directions(corrected.drift),
        "refusals": correction.refusals(corrected.drift),
    }


def _metrics(training: pl.DataFrame) -> dict[str, str]:
    present = set(training["metric"])
    return {metric: title for metric, title in METRICS.items() if metric in present}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
