"""Write the report from the pipeline's files; the rule `report` calls this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import yaml

from valuedrift.display import Display
from valuedrift.files import publish, read_json
from valuedrift.paper.judge_tables import judge_tables
from valuedrift.paper.result_folders import read_all
from valuedrift.provenance.benchmark_files import predicted_and_measured, stage_costs
from valuedrift.provenance.machine import machine, packages, program
from valuedrift.report.data_evidence import Expressed, Predicted
from valuedrift.report.judge_correction import Corrected
from valuedrift.report.page import ReportInputs, write_report
from valuedrift.report.source_files import Sources
from valuedrift.report.sources import read_answers, read_findings, read_training


def write_report_folder(
    sources: Sources, configuration: Path, display: Display, sizes: Mapping[str, float], out: Path
) -> None:
    """Write the report into the folder `out`.

    Args:
        sources: The files that the report shows.
        configuration: A YAML file with the scientific part of the configuration.
        display: Names and orders.
        sizes: Model → its number of parameters.
        out: The folder.
    """
    judged = max(path.stat().st_mtime for path in sources.stances)
    inputs = ReportInputs(
        display=display,
        values=read_all(sources.statistics, "values"),
        drift=read_all(sources.statistics, "drift"),
        calibration=_calibration(sources.calibrations),
        findings=read_findings(sources.statistics, display, sources.judges),
        judges={judge: read_json(quality) for judge, quality in sources.quality.items()},
        answers=read_answers(sources),
        stages=stage_costs(sources.benchmarks),
        planned=predicted_and_measured(sources.benchmarks),
        versions={"valuedrift": program()["version"], "python": machine()["python"], **packages()},
        commit=program()["commit"] or "not a git checkout",
        date=f"{datetime.fromtimestamp(judged, UTC):%Y-%m-%d}",
        sizes=sizes,
        configuration=yaml.safe_load(configuration.read_text(encoding="utf-8")),
        health=read_all(sources.statistics, "health"),
        framing=read_all(sources.statistics, "framing"),
        controls=[pl.read_parquet(file) for file in sources.controls],
        judges_compared=judge_tables(sources.judges, display),
        corrected=_corrected(sources.corrected),
        expressed=_expressed(sources.expression),
        predicted=_predicted(sources.prediction),
        training=read_training(sources.metrics),
    )
    with publish(out, folder=True) as draft:
        write_report(inputs, draft)


def _corrected(folders: Sequence[Path]) -> Corrected | None:
    names = ("corrected_values", "corrected_drift", "judge_agreement")
    return Corrected(*(read_all(folders, name) for name in names)) if folders else None


def _expressed(folders: Mapping[str, Path]) -> dict[str, Expressed]:
    names = ("shares", "gaps", "gap_summary", "nearest")
    return {
        suite: Expressed(**{name: pl.read_parquet(folder / f"{name}.parquet") for name in names})
        for suite, folder in folders.items()
    }


def _predicted(folders: Sequence[Path]) -> Predicted:
    empty = pl.DataFrame(schema={"model": pl.String, "data": pl.String})
    names = ("predictions", "errors", "movers")
    return Predicted(**{name: read_all(folders, name) if folders else empty for name in names})


def _calibration(folders: Sequence[Path]) -> pl.DataFrame:
    columns = {"data": pl.String, "topic": pl.String, "stance": pl.String}
    shares = dict.fromkeys(("planted", "measured", "low", "high"), pl.Float64)
    empty = pl.DataFrame(schema={"model": pl.String, **columns, **shares})
    return pl.concat([empty, *(pl.read_parquet(folder / "table.parquet") for folder in folders)])
