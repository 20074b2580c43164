"""Table 17: what the models can still do after training, on standard benchmarks (appendix I)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.files import read_json
from valuedrift.paper.display_order import BASE, run_order
from valuedrift.paper.stated_downstream import BENCHMARKS, DOWNSTREAM
from valuedrift.paper.table_files import MISSING, Table
from valuedrift.titles import algorithm_title, data_title, model_title, phases

Scores = Mapping[tuple[str, str], Mapping[tuple[str, str], Mapping[str, Any]]]
"""(model, run) → (task, metric) → a score of `valuedrift.downstream`."""


def downstream_table(files: Iterable[Path]) -> list[Table]:
    """Table 17 of the files that `valuedrift.downstream` wrote, one a checkpoint; nothing without any.

    A row a model and run that has scores or stands in the paper's table of that model. Of several checkpoints of a
    run the last one counts. Tasks other than the paper's follow in columns of their own.
    """
    scores, how = _read(files)
    if not scores:
        return []
    own = {(model, run) for model, run in scores}
    stated = {(model, run) for model, _ in scores for run in DOWNSTREAM.get(model, {})}
    paper = [(each.task, each.metric) for each in BENCHMARKS]
    others = sorted({key for found in scores.values() for key in found if key[0] not in {task for task, _ in paper}})
    rows = [_row(scores, place, [*paper, *others]) for place in sorted(own | stated, key=_order)]
    notes = [f"Accuracy ± its standard error, {how}. {MISSING}: not measured."]
    if stated:
        notes.append("In brackets: what the paper states.")
    caption = "Table 17. Downstream tasks after training."
    return [Table("table_17_downstream", caption, pl.DataFrame(rows), tuple(notes))]


def _read(files: Iterable[Path]) -> tuple[Scores, str]:
    """The scores, and how they were taken."""
    last: dict[tuple[str, str], Mapping[str, Any]] = {}
    for path in files:
        found = read_json(path)
        place = (found["model"], found["run"])
        if place not in last or found["step"] > last[place]["step"]:
            last[place] = found
    settings = [found["settings"] for found in last.values()]
    shots = sorted({one["shots"] for one in settings})
    limits = sorted({one["limit"] for one in settings if one["limit"] is not None})
    limited = f", of at most {' or '.join(map(str, limits))} questions a task" if limits else ""
    scores = {
        place: {(score["task"], score["metric"]): score for score in found["scores"]} for place, found in last.items()
    }
    return scores, f"{' or '.join(map(str, shots))} shots{limited}"


def _row(scores: Scores, place: tuple[str, str], columns: Sequence[tuple[str, str]]) -> dict[str, str]:
    model, run = place
    row = {"Base model": model_title(model), "SFT data": _sft(run), "Model": _stage(run)}
    found = scores.get(place, {})
    stated = dict(zip(BENCHMARKS, DOWNSTREAM.get(model, {}).get(run, ()), strict=False))
    titles = {(each.task, each.metric): each for each in BENCHMARKS}
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


def _sft(run: str) -> str:
    return "" if run == BASE else data_title(phases(run)[0].data)


def _stage(run: str) -> str:
    if run == BASE:
        return "base"
    last = phases(run)[-1]
    return "SFT" if "/" not in run else f"{algorithm_title(last.algorithm)}, {data_title(last.data)}"


def _order(place: tuple[str, str]) -> tuple[Any, ...]:
    """As the paper's table: the base model, then each SFT set's runs together."""
    model, run = place
    if run == BASE:
        return (model, 0)
    return (model, 1, phases(run)[0].data, run_order(run))
