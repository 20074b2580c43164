"""Write the folders of tables and figures from statistics files; jobs of the pipeline call these functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from valuedrift.display import Display
from valuedrift.files import publish, write_parquet, write_text
from valuedrift.paper.chart_files import save_chart
from valuedrift.paper.comparison_tables import downstream_table, stated_shares_table
from valuedrift.paper.drift_figures import drift_heatmap, trajectories, variance_chart
from valuedrift.paper.drift_tables import corrected_tables, drift_tables, variance_table
from valuedrift.paper.folder_inputs import FigureInputs, TableInputs
from valuedrift.paper.health_tables import health_tables
from valuedrift.paper.index_pages import table_entries, table_number, write_index
from valuedrift.paper.judge_tables import judge_tables
from valuedrift.paper.numbered_figures import (
    UNMEASURED,
    ablation_entries,
    draw_dataset_stances,
    draw_prompts,
    draw_trajectories,
)
from valuedrift.paper.table_formats import Table, latex_document, write_tables
from valuedrift.paper.text_tables import categories_table, pairs_table, sample_tables, target_and_value_tables
from valuedrift.statistics.design import SOURCES, variance_parts
from valuedrift.statistics.panel import ALL


def write_table_folder(inputs: TableInputs, display: Display, seed: int, out: Path) -> None:
    """Write the paper's tables, a document tables.tex with all of them, and an index into the folder `out`.

    Args:
        inputs: What the tables are made from.
        display: Names and orders.
        seed: The seed that chooses sample answers and pairs.
        out: The folder.
    """
    tables = [
        *target_and_value_tables(display.topics),
        *sample_tables(inputs.stances, display, seed),
        *drift_tables(read_all(inputs.statistics, "drift"), display),
        *downstream_table(inputs.downstream, display),
        *corrected_tables(inputs.corrected, display),
        *judge_tables(inputs.judges, display),
        variance_table(_variances(inputs.statistics, inputs.corrected), display),
        *_checks(inputs.statistics, display),
    ]
    for suite in display.suites:
        tables.append(categories_table(pl.read_parquet(inputs.probes[suite.name]), suite, display))
        if pairs := inputs.aligned.get(suite.name):
            tables.append(pairs_table(pl.read_parquet(pairs), suite, display, seed))
        if folder := inputs.expression.get(suite.name):
            tables += stated_shares_table(pl.read_parquet(folder / "shares.parquet"), suite, display)
    tables.sort(key=_order)
    with publish(out) as draft:
        write_tables(tables, draft)
        write_text(draft / "tables.tex", latex_document(table.name for table in tables))
        write_index(draft, "Tables", table_entries(tables, display), tables)


def write_figure_folder(inputs: FigureInputs, display: Display, out: Path) -> None:
    """Write the paper's figures, with their numbers, and an index into `out`, from the runs and data sets available."""
    with publish(out, folder=True) as draft:
        entries = [
            *draw_trajectories(read_all(inputs.statistics, "values"), display, draft),
            *draw_prompts(inputs.prompts, display, draft),
            *(
                entry
                for suite in display.suites
                if suite.name in inputs.expression
                for entry in draw_dataset_stances(inputs.expression[suite.name], suite, display, draft)
            ),
            *ablation_entries(inputs.ablations, display, out),
            *UNMEASURED,
        ]
        write_index(draft, "Figures", sorted(entries, key=lambda entry: int(entry.number.split()[1])))


def write_drift_folder(statistics: Path, display: Display, out: Path) -> None:
    """Write one model's values and drifts as parquet, tables and figures into the folder `out`."""
    values, drift = (pl.read_parquet(statistics / f"{name}.parquet") for name in ("values", "drift"))
    with publish(out, folder=True) as draft:
        write_parquet(draft / "values.parquet", values)
        write_parquet(draft / "drift.parquet", drift)
        parts = _variances([statistics], ())
        checks = _checks([statistics], display)
        write_tables([*drift_tables(drift, display), variance_table(parts, display), *checks], draft / "tables")
        figures, formats = draft / "figures", display.figure_formats
        _draw_runs(values, statistics.name, display, figures)
        if parts.select(pl.col(SOURCES).count()).sum_horizontal().item():  # not known of one answer to each question
            caption = "What the variance of M is made up of."
            save_chart(variance_chart(parts, display), figures / "variance", formats, caption)
        caption = "Drift magnitude M of the rewarded stance, or of the stance that moved most, per run and topic."
        save_chart(drift_heatmap(drift, display), figures / "drift", formats, caption)


def _checks(statistics: Sequence[Path], display: Display) -> list[Table]:
    return health_tables(read_all(statistics, "health"), read_all(statistics, "framing"), display)


def _variances(statistics: Iterable[Path], corrected: Sequence[Path]) -> pl.DataFrame:
    """Return the parts of the variance of the models' magnitudes, from their folders of statistics."""
    labelled = {path.parent.name: pl.read_parquet(path) for path in corrected}
    parts = []
    for one in statistics:
        drift, noise = (pl.read_parquet(one / f"{name}.parquet") for name in ("drift", "noise"))
        parts.append(variance_parts(drift, noise, labelled.get(one.name)))
    return pl.concat(parts)


def read_all(folders: Iterable[Path], name: str) -> pl.DataFrame:
    """Return the tables of that name in all folders, as one table."""
    return pl.concat([pl.read_parquet(folder / f"{name}.parquet") for folder in folders])


def _order(table: Table) -> tuple[bool, int, str]:
    """Return a sort key: the paper's tables by number, then others by name."""
    number = table_number(table)
    return (True, 0, table.name) if number is None else (False, number, "")


def _draw_runs(values: pl.DataFrame, name: str, display: Display, folder: Path) -> None:
    """Write one figure per run, with a panel for each topic and one for their mean."""
    model = display.model(name)
    for run in values["run"].unique(maintain_order=True):
        measured = set(values.filter(pl.col("run") == run)["topic"])
        panels = [(model, run, topic) for topic in (ALL, *display.topics) if topic in measured]
        chart = trajectories(values, panels, display, display.figure_columns)
        caption = f"Stance probabilities of {model.title}: {model.suite.full_title(run)}; {display.bands_text}."
        save_chart(chart, folder / f"trajectory_{name}_{run}".replace("/", "_"), display.figure_formats, caption)
