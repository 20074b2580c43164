"""Export the data of tables, figures and report as tidy tables in parquet and CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.display import Display
from valuedrift.files import publish, read_json, write_parquet, write_text
from valuedrift.provenance.benchmark_files import predicted_and_measured, stage_costs
from valuedrift.reasoning import UNCLOSED
from valuedrift.report.data_dictionary import describe, readme
from valuedrift.report.source_files import Sources
from valuedrift.report.sources import read_findings, read_training
from valuedrift.statistics.panel import PROBABILITIES, exact_sum
from valuedrift.visible_text import spreadsheet_cell

MEASURES = {
    "values": "values",
    "drifts": "drift",
    "distances": "distances",
    "noise": "noise",
    "health": "health",
    "framing": "framing",
}
"""Exported table → the name of its file in the folders of statistics."""
CORRECTED = {
    "corrected_values": "corrected_values",
    "corrected_drifts": "corrected_drift",
    "judge_agreement": "judge_agreement",
}
EXPRESSED = {f"expression_{name}": name for name in ("shares", "gaps", "gap_summary", "nearest")}
PREDICTED = {"predictions": "predictions", "prediction_errors": "errors", "movers": "movers"}
CALIBRATED = {"calibration": "table", "calibration_errors": "errors"}
TIMED = ("costs", "planned_costs")
"""Tables of durations. They have no parquet files, since parquet tables have the same bytes each time."""

_QUESTION = ("model", "run", "step", "topic", "question_id", "question")
_QUALITY = {**dict.fromkeys(("judge", "measure", "stance", "judged"), pl.String), "value": pl.Float64}


def write_exports(sources: Sources, downstream: Sequence[Path], display: Display, out: Path) -> None:
    """Write each table as `<table>.parquet` and `<table>.csv`, and the data dictionary as README.md, into `out`.

    Tables of durations (TIMED) are written as CSV only. A table without files is left out.

    Args:
        sources: The files to export.
        downstream: Files of scores that `valuedrift.downstream` wrote.
        display: Titles for the findings' statements.
        out: The folder.

    Raises:
        ArtifactError: The dictionary doesn't describe a table's columns.
    """
    written = {}
    with publish(out, folder=True) as draft:
        for name, table in exported_tables(sources, downstream, display):
            describe(name, table.columns)
            if name not in TIMED:
                write_parquet(draft / f"{name}.parquet", table)
            spreadsheet_safe(table).write_csv(draft / f"{name}.csv")
            endings = ("csv",) if name in TIMED else ("parquet", "csv")
            written[name] = ([f"{name}.{ending}" for ending in endings], table.columns)
        write_text(draft / "README.md", readme(written))


def exported_tables(
    sources: Sources, downstream: Sequence[Path], display: Display
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield (name, table), one table at a time."""
    yield from _joined(sources.statistics, MEASURES)
    yield from _joined(sources.corrected, CORRECTED)
    if sources.controls:
        yield "controls", pl.concat([pl.read_parquet(file) for file in sources.controls])
    yield "findings", _findings(sources.statistics, display)
    yield "question_stances", question_stances(sources.stances)
    yield from _joined(sources.expression.values(), EXPRESSED, sources.expression)
    yield from _joined(sources.prediction, PREDICTED)
    yield from _joined(sources.calibrations, CALIBRATED)
    if sources.quality:
        qualities = (judge_quality(read_json(path), judge) for judge, path in sources.quality.items())
        yield "judge_quality", pl.concat(qualities)
    if downstream:
        yield "downstream", _downstream(downstream)
    yield "training_metrics", read_training(sources.metrics)
    yield "costs", stage_costs(sources.benchmarks)
    yield "planned_costs", predicted_and_measured(sources.benchmarks)


def spreadsheet_safe(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table with `spreadsheet_cell` applied to its texts; numbers are unchanged."""
    return table.with_columns(_safe(table[name]) for name, kind in table.schema.items() if kind == pl.String)


def question_stances(stances: Sequence[Path]) -> pl.DataFrame:
    """Return one row per checkpoint and question: its answers' mean stances (equation 1's inner mean) and counts."""
    answers = pl.scan_parquet(list(stances))
    judged = pl.col(PROBABILITIES[0]).is_not_null()
    return (
        answers.group_by(_QUESTION)
        .agg(
            *((exact_sum(pl.col(p)) / judged.sum()).fill_nan(None).alias(p) for p in PROBABILITIES),
            pl.len().cast(pl.Int64).alias("answers"),
            judged.sum().cast(pl.Int64).alias("judged"),
            pl.col("refusal").sum().cast(pl.Int64).alias("refusals"),
            (pl.col("flag") == UNCLOSED).sum().cast(pl.Int64).alias("unclosed"),
        )
        .sort(_QUESTION)
        .collect(engine="streaming")
    )


def judge_quality(quality: Mapping[str, Any], judge: str) -> pl.DataFrame:
    """Return a judge's quality file as a table `judge, measure, stance, judged, value`."""
    overall = [(name, None, None, quality[name]) for name in ("accuracy", "unassigned")]
    by_stance = [
        (name, stance, None, value) for name in ("precision", "recall") for stance, value in quality[name].items()
    ]
    counts = [(stance, *cell) for stance, row in quality["confusion"].items() for cell in row.items()]
    confusion = [("confusion", *count) for count in counts]
    rows = [(judge, *row) for row in (*overall, *by_stance, *confusion)]
    return pl.DataFrame(rows, schema=_QUALITY, orient="row", strict=False)


def _joined(
    folders: Iterable[Path], names: Mapping[str, str], suites: Iterable[str] = ()
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield each table, joined over the folders that have it.

    Args:
        folders: The folders.
        names: Exported table → the name of its file.
        suites: The suite of each folder, for a column `suite`; without them there is no such column.
    """
    for table, name in names.items():
        columns = [[pl.lit(suite).alias("suite")] for suite in suites]
        files = [(folder / f"{name}.parquet", first or []) for folder, first in zip_longest(folders, columns) if folder]
        if found := [pl.read_parquet(file).select(*first, pl.all()) for file, first in files if file.exists()]:
            yield table, pl.concat(found)


def _findings(folders: Sequence[Path], display: Display) -> pl.DataFrame:
    schema = {"model": pl.String, "name": pl.String, "holds": pl.Boolean, "reason": pl.String, "healthy": pl.Boolean}
    schema["statement"] = pl.String
    rows = [[row[key] for key in schema] for row in read_findings(folders, display)]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _downstream(files: Sequence[Path]) -> pl.DataFrame:
    found = [(scored, {key: scored[key] for key in ("model", "run", "step")}) for scored in map(read_json, files)]
    scores = [{**where, **score} for scored, where in found for score in scored["scores"]]
    return pl.DataFrame(scores, infer_schema_length=None)


def _safe(texts: pl.Series) -> pl.Series:
    """Apply `spreadsheet_cell` once to each distinct text, since tables repeat their texts."""
    different = texts.drop_nulls().unique()
    safe = pl.Series([spreadsheet_cell(text) for text in different], dtype=pl.String)
    return texts.replace_strict(different, safe, default=None, return_dtype=pl.String)
