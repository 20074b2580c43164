"""Tables, figures and the report, as the pipeline's jobs write them from statistics files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.files import publish, write_parquet, write_text
from valuedrift.paper.display_order import Topics
from valuedrift.paper.downstream_table import downstream_table
from valuedrift.paper.draw_figures import OTHERS, ablation_entries, draw_expression, draw_prompts, draw_trajectories
from valuedrift.paper.figures import drift_heatmap, save_chart, trajectories
from valuedrift.paper.index_pages import write_index
from valuedrift.paper.sample_tables import pairs_table, sample_tables
from valuedrift.paper.stated_tables import corrected_tables, stated_shares_table
from valuedrift.paper.table_files import latex_document, write_tables
from valuedrift.paper.table_index import table_entries
from valuedrift.paper.tables import paper_tables
from valuedrift.paper.topic_tables import topic_tables
from valuedrift.report.sources import read_all
from valuedrift.statistics.panel import ALL


@dataclass(frozen=True)
class TableFiles:
    """Where everything that the tables show lies.

    statistics: a folder a model · stances: stance files of these models · probes: the probe set · aligned:
    support-aligned pairs, if there are any · expression: what the data sets express · corrected: the
    corrected_drift.parquet of models with a labelled sample · downstream: scores
    """

    statistics: Sequence[Path]
    stances: Sequence[Path]
    probes: Path
    aligned: Path | None
    expression: Path
    corrected: Sequence[Path]
    downstream: Sequence[Path]


@dataclass(frozen=True)
class FigureFiles:
    """Where everything that the figures show lies; ablations: pictures that are listed and lie elsewhere."""

    statistics: Sequence[Path]
    expression: Path
    ablations: Sequence[Path]


def write_paper_tables(files: TableFiles, topics: Topics, report: Mapping[str, Any], seed: int, out: Path) -> None:
    """Write the paper's tables, tables.tex that sets them all, and an index into the folder `out`.

    seed: chooses sample answers and pairs
    """
    models = [folder.name for folder in files.statistics]
    drift = read_all(files.statistics, "drift")
    shares = pl.read_parquet(files.expression / "shares.parquet")
    tables = [
        *topic_tables(pl.read_parquet(files.probes), topics, files.probes.stem),
        *sample_tables(files.stances, models, topics, seed),
        *([pairs_table(pl.read_parquet(files.aligned), topics, seed)] if files.aligned else []),
        *paper_tables(drift, topics, report["table_1_topics"]),
        *downstream_table(files.downstream),
        *stated_shares_table(shares, files.expression.name),
        *corrected_tables(files.corrected, topics),
    ]
    tables.sort(key=lambda table: (not table.name.startswith("table_"), table.name))
    with publish(out) as draft:
        write_tables(tables, draft)
        write_text(draft / "tables.tex", latex_document(table.name for table in tables))
        write_index(draft, "Tables", table_entries(tables, models, topics), tables)


def write_paper_figures(
    files: FigureFiles, topics: Topics, report: Mapping[str, Any], prompts: Mapping[str, str], out: Path
) -> None:
    """Draw the paper's figures, by its numbers, from whatever runs and data sets there are, into the folder `out`.

    prompts: the templates of the `judge` and, where pairs are written, of their `writer`
    """
    values = read_all(files.statistics, "values")
    with publish(out) as draft:
        draft.mkdir()
        entries = [
            *draw_trajectories(values, topics, report, draft),
            *draw_prompts(prompts, report["figure_formats"], draft),
            *draw_expression(files.expression, topics, report["figure_formats"], draft),
            *ablation_entries(files.ablations, out),
            *OTHERS,
        ]
        write_index(draft, "Figures", sorted(entries, key=lambda entry: int(entry.number.split()[1])))


def write_drift(statistics: Path, topics: Topics, report: Mapping[str, Any], out: Path) -> None:
    """Write one model's values and drifts as parquet, tables and figures into the folder `out`."""
    values, drift = (pl.read_parquet(statistics / f"{name}.parquet") for name in ("values", "drift"))
    with publish(out) as draft:
        draft.mkdir()
        write_parquet(draft / "values.parquet", values)
        write_parquet(draft / "drift.parquet", drift)
        write_tables(paper_tables(drift, topics, report["table_1_topics"]), draft / "tables")
        _draw(values, statistics.name, topics, report, draft / "figures")
        save_chart(drift_heatmap(drift, topics), draft / "figures" / "drift", report["figure_formats"])


def _draw(values: pl.DataFrame, model: str, topics: Topics, report: Mapping[str, Any], folder: Path) -> None:
    """One figure a run: every topic and their mean (figures 3, 4, 7, 9, 11 to 14)."""
    for run in values["run"].unique(maintain_order=True):
        own = values.filter(pl.col("run") == run)
        chosen = [topic for topic in (ALL, *topics) if topic in set(own["topic"])]
        chart = trajectories(own, [run], chosen, topics, columns=report["figure_columns"])
        stem = f"trajectory_{model}_{run}".replace("/", "_")
        save_chart(chart, folder / stem, report["figure_formats"])
