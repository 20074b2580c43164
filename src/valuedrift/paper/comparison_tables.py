"""Our numbers next to the paper's: stance shares in SFT data, and the downstream tasks (table 17, appendix I)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.config.stages import BASE
from valuedrift.display import Display, Suite
from valuedrift.files import read_json
from valuedrift.paper.stated_numbers import benchmarks, stated_downstream, stated_shares
from valuedrift.paper.table_formats import MISSING, Table
from valuedrift.statistics.panel import ALL
from valuedrift.titles import algorithm_title, phases

Scores = Mapping[tuple[str, str], Mapping[tuple[str, str], Mapping[str, Any]]]
"""(model, run) → (task, metric) → a score from `valuedrift.downstream`."""


def stated_shares_table(shares: pl.DataFrame, suite: Suite, display: Display) -> list[Table]:
    """Return the stance shares of SFT data that the paper's text states (appendix K.2), next to ours.

    Args:
        shares: The table `shares` that `valuedrift.data.stances` writes.
        suite: The suite of the data sets.
        display: Names and orders.

    Returns:
        One table, or none if the paper states nothing about the suite's data sets.
    """
    own = shares.filter(pl.col("role") == "answer", pl.col("topic") == ALL)
    measured = {(row["data"], row["stance"]): row["classified"] for row in own.iter_rows(named=True)}
    rows = [
        {
            "Data": suite.data_title(data),
            "Stance": stance,
            "Paper": f"{100 * share:.1f} %",
            "Measured": f"{100 * measured[data, stance]:.1f} %" if (data, stance) in measured else MISSING,
        }
        for data, stance, share in stated_shares(suite)
    ]
    caption = (
        "Shares of the retrieved rows of SFT data that are classified as a stance, as the paper's text states them."
    )
    name = f"paper_numbers_data{display.suffix(suite)}"
    return [Table(name, caption, pl.DataFrame(rows))] if rows else []


def downstream_table(files: Iterable[Path], display: Display) -> list[Table]:
    """Return table 17: one row per model and run that has scores or is in the paper's table of that model.

    If several checkpoints of a run have scores, the last one is shown. Tasks that the paper lacks are in the last
    columns.

    Args:
        files: The files that `valuedrift.downstream` wrote, one per checkpoint.
        display: Names and orders.

    Returns:
        One table, or none without files.
    """
    scores, how = _read(files)
    if not scores:
        return []
    stated = {
        (name, run): accuracies
        for name in {model for model, _ in scores}
        for run, accuracies in stated_downstream(display.model(name)).items()
    }
    paper = [(each.task, each.metric) for each in benchmarks()]
    others = sorted({key for found in scores.values() for key in found if key[0] not in {task for task, _ in paper}})

    def order(row: tuple[str, str]) -> tuple[Any, ...]:
        """Return a sort key with the order of the paper's table: the base model, then the runs of each SFT set."""
        model, run = display.run_order(*row)
        return (model, run[2], run) if run else (model,)

    rows = [
        _row(row, scores.get(row, {}), stated.get(row, ()), [*paper, *others], display)
        for row in sorted({*scores, *stated}, key=order)
    ]
    notes = [f"Accuracy ± its standard error, {how}. {MISSING}: not measured."]
    if stated:
        notes.append("In brackets: what the paper states.")
    caption = "Table 17. Downstream tasks after training."
    return [Table("table_17_downstream", caption, pl.DataFrame(rows), tuple(notes))]


def _read(files: Iterable[Path]) -> tuple[Scores, str]:
    """Return the scores, and the numbers of shots and questions in words."""
    last: dict[tuple[str, str], Mapping[str, Any]] = {}
    for path in files:
        found = read_json(path)
        place = (found["model"], found["run"])
        if place not in last or found["step"] > last[place]["step"]:
            last[place] = found
    settings = [found["settings"] for found in last.values()]
    shots = sorted({one["shots"] for one in settings})
    limits = sorted({one["limit"] for one in settings if one["limit"] is not None})
    limited = f", of at most {' or '.join(map(str, limits))} questions per task" if limits else ""
    scores = {
        place: {(score["task"], score["metric"]): score for score in found["scores"]} for place, found in last.items()
    }
    return scores, f"{' or '.join(map(str, shots))} shots{limited}"


def _row(
    where: tuple[str, str],
    found: Mapping[tuple[str, str], Mapping[str, Any]],
    accuracies: Sequence[float],
    columns: Sequence[tuple[str, str]],
    display: Display,
) -> dict[str, str]:
    model, run = display.model(where[0]), where[1]
    row = {"Base model": model.title, "SFT data": _sft(run, model.suite), "Model": _stage(run, model.suite)}
    stated = dict(zip(benchmarks(), accuracies, strict=False))
    titles = {(each.task, each.metric): each for each in benchmarks()}
    for task, metric in columns:
        benchmark = titles.get((task, metric))
        title = f"{benchmark.title if benchmark else task} ({metric.replace('_', ' ')})"
        beside = f" (paper {stated[benchmark]:.4f})" if benchmark in stated else ""
        row[title] = _accuracy(found.get((task, metric))) + beside
    return row


def _accuracy(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return MISSING
    error = "" if score["stderr"] is None else f" ± {score['stderr']:.4f}"
    return f"{score['value']:.4f}{error}"


def _sft(run: str, suite: Suite) -> str:
    return "" if run == BASE else suite.short_title(run.partition("/")[0])


def _stage(run: str, suite: Suite) -> str:
    if run == BASE:
        return "base"
    last = phases(run)[-1]
    title = algorithm_title(last.algorithm)
    return f"{title}, {suite.data_title(last.data)}" if "/" in run and last.data else title
