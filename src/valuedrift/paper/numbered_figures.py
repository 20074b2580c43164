"""The paper's figures by number: the runs, data sets or prompts that each shows, its files, and what it lacks."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product, zip_longest
from pathlib import Path

import altair as alt
import polars as pl

from valuedrift.display import Display, Model, Suite
from valuedrift.paper import style
from valuedrift.paper.chart_files import save_chart
from valuedrift.paper.dataset_figures import expressed_shares, gap_histograms, gaps_by_topic
from valuedrift.paper.drift_figures import trajectories
from valuedrift.paper.index_pages import Entry
from valuedrift.paper.stated_numbers import paper_model, stated
from valuedrift.titles import algorithm_title

SFT, SMALL_GAP, SECOND_SMALL_GAP, ALIGNED = "SFT", "small gap", "second small gap", "aligned"

_ILLUSTRATION, _LOST = "an illustration in the paper, not a result", "not in the paper's published text"
UNMEASURED = (
    Entry("Figure 1", "What value drift is", note=_ILLUSTRATION),
    Entry("Figure 2", "Overview", note=_ILLUSTRATION),
    Entry("Figure 5", "", note=_LOST),
    Entry("Figure 6", "", note=_LOST),
)
"""Index entries of the figures that show no measurement."""

_PROMPTS = (
    (8, "judge", "Prompt for the stance of an answer"),
    (10, "writer", "System prompt for synthetic pairs"),
    (18, "judge", "Prompt for the stance of a data set's row"),
)
_PROMPT = "Placeholders are in braces."
_SHARES = "Shares of the answers in retrieved rows that take each stance, with 95 % intervals."
_GAPS = "Distance between the stance probabilities of a pair's two answers, at most √2. Dashed line: mean."
_SHADED = "As figure 20, with a row per topic. Shade: share of the topic's pairs. Tick: mean."
_WHOSE = {"judge": "judge", "writer": "suite"}
_ABLATIONS = {15: "PPO's KL coefficient", 16: "DPO's β", 17: "SimPO's γ"}


@dataclass(frozen=True)
class TrajectoryFigure:
    """A figure of the paper that shows one topic's trajectories.

    Attributes:
        number: The figure's number in the paper.
        sets: Which data sets its runs are trained on.
        algorithms: The algorithms of its runs; all of the suite's if empty.
        every_start: Whether it shows runs after every SFT set; otherwise only those after the first start.
    """

    number: int
    sets: str
    algorithms: tuple[str, ...] = ()
    every_start: bool = False

    def data(self, suite: Suite) -> tuple[str, ...]:
        if self.sets == SFT:
            return suite.sft
        if self.sets == ALIGNED:
            return tuple(suite.aligned.values())
        return suite.small_gap[:1] if self.sets == SMALL_GAP else suite.small_gap[1:2]

    def runs(self, suite: Suite) -> list[str]:
        """Return all runs of the figure, in the order shown."""
        if self.sets == SFT:
            return [f"sft-{data}" for data in suite.sft]
        starts = suite.sft if self.every_start else suite.starts[:1]
        names = product(starts, self.data(suite), self.algorithms or suite.algorithms)
        return sorted((f"sft-{sft}/{algorithm}-{data}" for sft, data, algorithm in names), key=suite.run_order)

    def title(self, models: Sequence[Model], topic: str) -> str:
        algorithms = ("sft",) if self.sets == SFT else self.algorithms or models[0].suite.algorithms
        data = dict.fromkeys(m.suite.data_title(name) for m in models for name in self.data(m.suite))
        on = {ALIGNED: "support- and oppose-aligned pairs"}.get(self.sets, " and ".join(data))
        return f"{', '.join(map(algorithm_title, algorithms))} on {on or 'a second small-gap set'}: {topic}"

    def columns(self, models: Sequence[Model]) -> int:
        """Return the largest number of panels per row: one per algorithm, but at least two."""
        algorithms = () if self.sets == SFT else self.algorithms or models[0].suite.algorithms
        return max(2, len(algorithms))


FIGURES = (
    TrajectoryFigure(3, SFT),
    TrajectoryFigure(4, SMALL_GAP),
    TrajectoryFigure(7, ALIGNED),
    TrajectoryFigure(9, SECOND_SMALL_GAP),
    TrajectoryFigure(11, ALIGNED, ("dpo",), every_start=True),
    TrajectoryFigure(12, ALIGNED, ("dpo",), every_start=True),
    TrajectoryFigure(13, ALIGNED, ("simpo",), every_start=True),
    TrajectoryFigure(14, ALIGNED, ("simpo",), every_start=True),
)


def draw_trajectories(values: pl.DataFrame, display: Display, folder: Path) -> list[Entry]:
    """Draw figures 3, 4, 7, 9 and 11 to 14 for the models that the paper shows, or for all if none is reported."""
    return [_draw_trajectories(figure, values, display, folder) for figure in FIGURES]


def draw_prompts(prompts: Mapping[str, Mapping[str, str]], display: Display, folder: Path) -> list[Entry]:
    """Draw figures 8, 10 and 18: the templates of the prompts that are sent.

    Args:
        prompts: `judge` → judge → its template, and `writer` → suite → the template for the writer of its pairs.
        display: Names and orders.
        folder: The folder that the figures are written to.
    """
    entries = []
    for number, role, title in _PROMPTS:
        templates = prompts.get(role) or {}
        if not templates:
            entries.append(Entry(f"Figure {number}", title, note="the suite writes no pairs"))
        for name, template in templates.items():
            note, suffix = (f"of {_WHOSE[role]} {name}", f"_{name}") if len(templates) > 1 else ("", "")
            entries.append(_save(prompt_figure(template), number, title, _PROMPT, display, folder, note, suffix))
    return entries


def prompt_figure(template: str) -> alt.Chart:
    """Draw the template's text in lines of at most 100 characters, with its placeholders in braces."""
    columns, character, height = 100, 7.3, 17
    lines = [line for given in template.splitlines() for line in (textwrap.wrap(given, columns) or [""])]
    rows = pl.DataFrame({"text": lines, "line": range(len(lines))})
    mark = alt.Chart(rows).mark_text(
        align="left", baseline="top", font="monospace", fontSize=12, color=style.INK, aria=False
    )
    y = alt.Y("line:O", axis=None, scale=alt.Scale(padding=0))
    size = {"width": columns * character, "height": height * len(lines)}
    chart: alt.Chart = mark.encode(x=alt.value(0), y=y, text="text:N").properties(**size)
    return style.on_paper(chart)


def draw_dataset_stances(expression: Path, suite: Suite, display: Display, folder: Path) -> list[Entry]:
    """Draw figures 19 and 20 of a suite, if it has SFT rows or pairs on the topics.

    Args:
        expression: The folder that `valuedrift.data.stances.write_tables.write_expression` wrote.
        suite: The suite of the data sets.
        display: Names and orders.
        folder: The folder that the figures are written to.
    """
    shares, gaps = (pl.read_parquet(expression / f"{name}.parquet") for name in ("shares", "gaps"))
    titles = {19: "Stance shares of SFT data sets", 20: "Distances of chosen and rejected answers"}
    note, suffix = display.of_suite(suite), display.suffix(suite)
    missing = ", ".join(part for part in ("no row on the topics", note) if part)
    entries = [Entry(f"Figure {number}", title, note=missing) for number, title in titles.items()]
    if "answer" in shares["role"]:
        chart = expressed_shares(shares, suite, display)
        entries[0] = _save(chart, 19, titles[19], _SHARES, display, folder, note, suffix)
    if gaps.height:
        entries[1] = _save(gap_histograms(gaps, suite), 20, titles[20], _GAPS, display, folder, note, suffix)
        title, by_topic = f"{titles[20]}, by topic", gaps_by_topic(gaps, suite, display)
        entries.append(_save(by_topic, 20, title, _SHADED, display, folder, note, f"_topics{suffix}"))
    return entries


def ablation_entries(pictures: Sequence[Path], display: Display, out: Path) -> list[Entry]:
    """Return the index entries of figures 15 to 17 of each model.

    Args:
        pictures: The figures' files, in one folder per model.
        display: Names and orders.
        out: The index's folder.
    """
    entries = []
    for number, parameter in _ABLATIONS.items():
        title = f"Ablation of {parameter}"
        own = sorted(path for path in pictures if path.stem == f"figure_{number}")
        models = [name for name in display.models if any(path.parent.name == name for path in own)]
        for model in models:
            files = tuple(os.path.relpath(path, out) for path in own if path.parent.name == model)
            entries.append(Entry(f"Figure {number}", title, files, f"of {display.models[model].title}"))
        if not models:
            note = "nothing in results/ablations; ask for results/ablations/MODEL"
            entries.append(Entry(f"Figure {number}", title, note=note))
    return entries


def _draw_trajectories(figure: TrajectoryFigure, values: pl.DataFrame, display: Display, folder: Path) -> Entry:
    wanted = stated()["figures"][figure.number]
    measured = display.measured(values)
    models = [model for model in measured if paper_model(model) in wanted] or measured
    topic = display.figure_topics.get(f"figure_{figure.number}", next(iter(display.topics)))
    title = figure.title(models, display.topic_name(topic))
    found = set(values.filter(pl.col("topic") == topic).select("model", "run").iter_rows())
    # The first run of each model, then the second of each, and so on, so that comparable panels are neighbours.
    runs = zip_longest(*(figure.runs(model.suite) for model in models))
    panels = [
        (model, run, topic)
        for together in runs
        for model, run in zip(models, together, strict=True)
        if (model.name, run) in found
    ]
    if not panels:
        return Entry(f"Figure {figure.number}", title, note=_absence(figure, models))
    columns = min(display.figure_columns, figure.columns(models))
    chart = trajectories(values, panels, display, columns)
    note = _lacking(figure, models, wanted, found)
    of = ", ".join(model.title for model in models)
    about = f"Stance probabilities of {of} at the checkpoints of each run; {display.bands_text}."
    return _save(chart, figure.number, title, about, display, folder, note)


def _absence(figure: TrajectoryFigure, models: Sequence[Model]) -> str:
    """Return why a figure can't be drawn for these models."""
    runs = dict.fromkeys(run for model in models for run in figure.runs(model.suite))
    names = ", ".join(model.title for model in models)
    return f"the grid of {names} has none of {', '.join(runs)}" if runs else f"the suite of {names} has no such data"


def _lacking(
    figure: TrajectoryFigure, models: Sequence[Model], wanted: Sequence[str], found: set[tuple[str, str]]
) -> str:
    """Return which of the paper's models and which runs the figure lacks; empty if it lacks none."""
    shown = [paper_model(model) for model in models]
    absent = [name for name in wanted if name not in shown]
    parts = [f"{' and '.join(absent)} not in report.models"] if absent else []
    if not set(shown) & set(wanted):
        parts.insert(0, f"of {', '.join(model.title for model in models)}")
    for model in models:
        lacking = [run for run in figure.runs(model.suite) if (model.name, run) not in found]
        parts += [f"not in the grid of {model.title}: {', '.join(lacking)}"] if lacking else []
    return "; ".join(parts)


def _save(
    chart: alt.TopLevelMixin,
    number: int,
    title: str,
    about: str,
    display: Display,
    folder: Path,
    note: str = "",
    suffix: str = "",
) -> Entry:
    """Write a figure and its caption, which is the title and what there is to say about it."""
    caption = f"Figure {number}. {title}. {about}"
    files = save_chart(chart, folder / f"figure_{number:02d}{suffix}", display.figure_formats, caption)
    return Entry(f"Figure {number}", title, tuple(path.name for path in files), note)
