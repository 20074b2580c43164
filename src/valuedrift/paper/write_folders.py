"""The folders of tables and figures, as the pipeline's jobs write them from statistics files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from valuedrift.display import Display, Suite
from valuedrift.files import publish, write_parquet, write_text
from valuedrift.paper.chart_files import save_chart
from valuedrift.paper.comparison_tables import downstream_table, stated_shares_table
from valuedrift.paper.drift_figures import drift_heatmap, trajectories
from valuedrift.paper.drift_tables import corrected_tables, drift_tables
from valuedrift.paper.index_pages import table_entries, table_number, write_index
from valuedrift.paper.numbered_figures import (
    UNMEASURED,
    ablation_entries,
    draw_dataset_stances,
    draw_prompts,
    draw_trajectories,
)
from valuedrift.paper.table_files import Table, latex_document, write_tables
from valuedrift.paper.text_tables import categories_table, pairs_table, sample_tables, target_and_value_tables
from valuedrift.statistics.panel import ALL


@dataclass(frozen=True)
class TableFiles:
    """Where everything that the tables show lies.

    Attributes:
        statistics: One folder per model.
        stances: Stance files of these models.
        probes: Suite → its probe set.
        aligned: Suite → its support-aligned pairs, where it has any.
        expression: Suite → the folder of what its data sets express.
        corrected: The corrected_drift.parquet of each model with a labelled sample.
        downstream: Scores.
    """

    statistics: Sequence[Path]
    stances: Sequence[Path]
    probes: Mapping[str, Path]
    aligned: Mapping[str, Path]
    expression: Mapping[str, Path]
    corrected: Sequence[Path]
    downstream: Sequence[Path]


def write_table_folder(files: TableFiles, display: Display, seed: int, out: Path) -> None:
    """Write the paper's tables, tables.tex that sets them all, and an index into the folder `out`.

    Args:
        files: What the tables show.
        display: Names and orders.
        seed: Chooses sample answers and pairs.
        out: The folder.
    """
    tables = [
        *(table for suite in display.suites for table in _suite_tables(files, suite, display, seed)),
        *target_and_value_tables(display.topics),
        *sample_tables(files.stances, display, seed),
        *drift_tables(read_all(files.statistics, "drift"), display),
        *downstream_table(files.downstream, display),
        *corrected_tables(files.corrected, display),
    ]
    tables.sort(key=_order)
    with publish(out) as draft:
        write_tables(tables, draft)
        write_text(draft / "tables.tex", latex_document(table.name for table in tables))
        write_index(draft, "Tables", table_entries(tables, display), tables)


def write_figure_folder(
    statistics: Sequence[Path],
    expression: Mapping[str, Path],
    prompts: Mapping[str, Mapping[str, str]],
    ablations: Sequence[Path],
    display: Display,
    out: Path,
) -> None:
    """Draw the paper's figures, by its numbers, from whatever runs and data sets there are, into the folder `out`.

    Args:
        statistics: One folder per model.
        expression: Suite → the folder of what its data sets express.
        prompts: See `draw_prompts`.
        ablations: Figures of ablations, which are linked from where they are.
        display: Names and orders.
        out: The folder.
    """
    values = read_all(statistics, "values")
    with publish(out) as draft:
        draft.mkdir()
        entries = [
            *draw_trajectories(values, display, draft),
            *draw_prompts(prompts, display, draft),
            *(
                entry
                for suite in display.suites
                for entry in draw_dataset_stances(expression[suite.name], suite, display, draft)
            ),
            *ablation_entries(ablations, display, out),
            *UNMEASURED,
        ]
        write_index(draft, "Figures", sorted(entries, key=lambda entry: int(entry.number.split()[1])))


def write_drift_folder(statistics: Path, display: Display, out: Path) -> None:
    """Write one model's values and drifts as parquet, tables and figures into the folder `out`."""
    values, drift = (pl.read_parquet(statistics / f"{name}.parquet") for name in ("values", "drift"))
    with publish(out) as draft:
        draft.mkdir()
        write_parquet(draft / "values.parquet", values)
        write_parquet(draft / "drift.parquet", drift)
        write_tables(drift_tables(drift, display), draft / "tables")
        _draw_runs(values, statistics.name, display, draft / "figures")
        save_chart(drift_heatmap(drift, display), draft / "figures" / "drift", display.figure_formats)


def read_all(folders: Iterable[Path], name: str) -> pl.DataFrame:
    """The table of that name of every folder, as one."""
    return pl.concat([pl.read_parquet(folder / f"{name}.parquet") for folder in folders])


def _order(table: Table) -> tuple[bool, int, str]:
    """The paper's tables by number, then others by name."""
    number = table_number(table)
    return (True, 0, table.name) if number is None else (False, number, "")


def _suite_tables(files: TableFiles, suite: Suite, display: Display, seed: int) -> list[Table]:
    shares = pl.read_parquet(files.expression[suite.name] / "shares.parquet")
    aligned = files.aligned.get(suite.name)
    return [
        categories_table(pl.read_parquet(files.probes[suite.name]), suite, display),
        *([pairs_table(pl.read_parquet(aligned), suite, display, seed)] if aligned else []),
        *stated_shares_table(shares, suite, display),
    ]


def _draw_runs(values: pl.DataFrame, name: str, display: Display, folder: Path) -> None:
    """One figure per run: every topic and their mean."""
    model = display.model(name)
    for run in values["run"].unique(maintain_order=True):
        measured = set(values.filter(pl.col("run") == run)["topic"])
        panels = [(model, run, topic) for topic in (ALL, *display.topics) if topic in measured]
        chart = trajectories(values, panels, display, display.figure_columns)
        save_chart(chart, folder / f"trajectory_{name}_{run}".replace("/", "_"), display.figure_formats)
