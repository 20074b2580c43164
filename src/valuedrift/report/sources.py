"""Read files of several models as one table, for the report and the exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.display import Display
from valuedrift.files import read_json
from valuedrift.paper.judge_tables import verdicts_by_judge
from valuedrift.report.finding_statements import statement
from valuedrift.report.source_files import Sources
from valuedrift.statistics.health import unhealthy
from valuedrift.statistics.labelled_sample import NO_STANCE, read_labelled
from valuedrift.statistics.panel import KEYS


def read_findings(folders: Sequence[Path], display: Display, judges: Sequence[Path] = ()) -> list[dict[str, Any]]:
    """Return the findings in folders of statistics, which have their models' names, with `model` and `statement`.

    `judges` are folders, named after models, in which judges are compared. `by_judge` then says what holds by each, and
    is the end of the statement; it is empty for other models.
    """
    compared = {folder.name: folder / "findings.parquet" for folder in judges}
    by_judge = {model: pl.read_parquet(file) for model, file in compared.items() if file.is_file()}
    found = []
    for folder in folders:
        for finding in read_json(folder / "findings.json"):
            judged = by_judge.get(folder.name)
            each = "" if judged is None else f" {verdicts_by_judge(judged, finding['name'])}"
            told = statement(finding, display.suite(folder.name)) + each
            found.append({**finding, "model": folder.name, "statement": told, "by_judge": each})
    return found


def read_answers(sources: Sources) -> pl.LazyFrame:
    """Return the judged answers with `label` and `unhealthy` (see `ANSWER_COLUMNS`)."""
    labels = [
        read_labelled(path, model).select(
            pl.lit(model).alias("model"), *KEYS[1:], label=pl.col("true_stance").fill_null(NO_STANCE)
        )
        for model, path in sources.labelled.items()
    ]
    signs = [pl.scan_parquet(path).select(*KEYS, unhealthy=unhealthy()) for path in sources.health]
    answers = pl.scan_parquet(list(sources.stances))
    for name, kind, tables in (
        ("label", pl.String, [table.lazy() for table in labels]),
        ("unhealthy", pl.Boolean, signs),
    ):
        if tables:
            answers = answers.join(pl.concat(tables), on=KEYS, how="left")
        else:
            answers = answers.with_columns(pl.lit(None, dtype=kind).alias(name))
    return answers


def read_training(metrics: Mapping[str, Mapping[str, str]]) -> pl.DataFrame:
    """Return the logs of training runs as a table `model, run, step, metric, value`.

    `metrics` is model → run → its metrics, a parquet file.
    """
    names = dict.fromkeys(("model", "run"), pl.String)
    empty = pl.DataFrame(schema={**names, "step": pl.Int64, "metric": pl.String, "value": pl.Float64})
    tables = [
        pl.read_parquet(path).select(pl.lit(model).alias("model"), pl.lit(run).alias("run"), "step", "metric", "value")
        for model, runs in metrics.items()
        for run, path in runs.items()
    ]
    return pl.concat([empty, *tables])
