"""Draws the paper's figures into a folder, and says what became of each number."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from valuedrift.paper.dataset_figures import expressed_shares, gap_histograms, gap_histograms_by_topic
from valuedrift.paper.display_order import Topics
from valuedrift.paper.figure_runs import FIGURES, PaperFigure
from valuedrift.paper.figures import save_chart, trajectories
from valuedrift.paper.index_pages import Entry
from valuedrift.paper.prompt_figures import prompt_figure

_ILLUSTRATION, _LOST = "an illustration in the paper, not a result", "not in the paper's published text"
OTHERS = (
    Entry("Figure 1", "What value drift is", note=_ILLUSTRATION),
    Entry("Figure 2", "Overview", note=_ILLUSTRATION),
    Entry("Figure 5", "", note=_LOST),
    Entry("Figure 6", "", note=_LOST),
)
"""Figures that nothing is measured for."""

_PROMPTS = (
    (8, "judge", "Prompt for the stance of an answer"),
    (10, "writer", "System prompt for synthetic pairs"),
    (18, "judge", "Prompt for the stance of a data set's row"),
)
_ABLATIONS = {15: "PPO's KL coefficient", 16: "DPO's β", 17: "SimPO's γ"}


def draw_trajectories(values: pl.DataFrame, topics: Topics, report: Mapping[str, Any], folder: Path) -> list[Entry]:
    """Figures 3, 4, 7, 9 and 11 to 14, of the paper's models, or of those that stand in for them."""
    return [_draw_trajectory(figure, values, topics, report, folder) for figure in FIGURES]


def draw_prompts(prompts: Mapping[str, str], formats: Sequence[str], folder: Path) -> list[Entry]:
    """Figures 8, 10 and 18, of the templates by their role."""
    return [
        _save(prompt_figure(prompts[role]), number, title, formats, folder)
        if role in prompts
        else Entry(f"Figure {number}", title, note="the suite writes no pairs")
        for number, role, title in _PROMPTS
    ]


def draw_expression(expression: Path, topics: Topics, formats: Sequence[str], folder: Path) -> list[Entry]:
    """Figures 19 and 20 of a suite, as far as there is SFT data, or pairs, to draw.

    expression: the folder that `valuedrift.dataset_stances.write_tables.write_expression` filled
    """
    shares, gaps = (pl.read_parquet(expression / f"{name}.parquet") for name in ("shares", "gaps"))
    titles = "Stance shares of SFT data sets", "Distances of chosen and rejected answers"
    entries = [
        Entry(f"Figure {n}", title, note="no row on the topics") for n, title in zip((19, 20), titles, strict=True)
    ]
    if "answer" in shares["role"]:
        entries[0] = _save(expressed_shares(shares, topics), 19, titles[0], formats, folder)
    if gaps.height:
        entries[1] = _save(gap_histograms(gaps, topics), 20, titles[1], formats, folder)
        by_topic = save_chart(gap_histograms_by_topic(gaps, topics), folder / "figure_20_topics", formats)
        entries.append(Entry("Figure 20", f"{titles[1]}, by topic", _names(by_topic)))
    return entries


def ablation_entries(pictures: Sequence[Path], out: Path) -> list[Entry]:
    """Figures 15 to 17, of each model; pictures: their files, in a folder a model · out: the index's folder."""
    entries = []
    for number, parameter in _ABLATIONS.items():
        title = f"Ablation of {parameter}"
        own = sorted(path for path in pictures if path.stem == f"figure_{number}")
        models = sorted({path.parent.name for path in own})
        for model in models:
            files = tuple(os.path.relpath(path, out) for path in own if path.parent.name == model)
            entries.append(Entry(f"Figure {number}", title, files, f"of {model}"))
        if not models:
            note = "nothing lies in results/ablations; ask for results/ablations/MODEL"
            entries.append(Entry(f"Figure {number}", title, note=note))
    return entries


def _draw_trajectory(
    figure: PaperFigure, values: pl.DataFrame, topics: Topics, report: Mapping[str, Any], folder: Path
) -> Entry:
    found = values.select("model", "run").unique().rows()
    models = figure.models_among(values["model"].unique(maintain_order=True).to_list())
    own = values.filter(pl.col("model").is_in(models))
    runs = figure.runs_among(own["run"].unique())
    if not runs or figure.topic not in topics:
        return Entry(f"Figure {figure.number}", figure.title, note=figure.absence(models, topics))
    note = figure.note(found)
    columns = min(report["figure_columns"], figure.columns)
    chart = trajectories(own, runs, [figure.topic], topics, columns)
    return _save(chart, figure.number, figure.title, report["figure_formats"], folder, note)


def _save(
    chart: alt.TopLevelMixin, number: int, title: str, formats: Sequence[str], folder: Path, note: str = ""
) -> Entry:
    files = save_chart(chart, folder / f"figure_{number:02d}", formats)
    return Entry(f"Figure {number}", title, _names(files), note)


def _names(files: Sequence[Path]) -> tuple[str, ...]:
    return tuple(path.name for path in files)
