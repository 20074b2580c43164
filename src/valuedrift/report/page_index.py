"""Write the piece that the page's script loads first, and the pieces of trajectories and training metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import polars as pl

from valuedrift.config.stages import BASE
from valuedrift.display import Display, Model, Suite
from valuedrift.report.answers import RunAnswers
from valuedrift.report.pieces import write_piece
from valuedrift.report.words import phase_title, short_title
from valuedrift.statistics.panel import ALL, STANCES
from valuedrift.titles import algorithm_title, phases

PPO_SCORE = "objective/scores"
METRICS = {
    "loss": "Loss",
    "reward_margin": "Reward margin",
    PPO_SCORE: "Reward model’s score",
    "kl": "KL divergence from the start",
    "grad_norm": "Gradient norm",
}
"""Metric → its title, in the order shown."""

REWARD = "reward"
_MOST_POINTS = 200


def write_index(
    values: pl.DataFrame, answers: Sequence[RunAnswers], first: Mapping[str, str], display: Display, out: Path
) -> None:
    """Write the piece `index`: stances, topics with their keys, and each model's runs with their checkpoints.

    `first` is model → the run whose lineage is shown first.
    """
    known = {*values["model"], *(run.model for run in answers)}
    models = [model for model in display.models.values() if model.name in known]
    index = {
        "stances": STANCES,
        "z": NormalDist().inv_cdf((1 + display.level) / 2),
        "topics": [display.topic_name(topic) for topic in display.topics],
        "keys": list(display.topics),
        "models": [
            {"name": model.name, "title": model.title, "first": first.get(model.name)}
            | {"runs": _runs(values, answers, model)}
            for model in models
        ],
    }
    write_piece(out, "index", index)


def write_values(values: pl.DataFrame, display: Display, out: Path) -> None:
    """Write a piece `values/<model>`: per run and topic (−1: all), the steps and each stance's values and bands."""
    places = {topic: place for place, topic in enumerate(display.topics)} | {ALL: -1}
    for (model,), own in values.partition_by("model", as_dict=True).items():
        cells = own.sort("step").partition_by("run", "topic", as_dict=True, maintain_order=True)
        lines = [
            {"run": run, "topic": places[str(topic)], **_trajectory(rows)}
            for (run, topic), rows in _in_order(cells, display.suite(str(model)))
        ]
        write_piece(out, f"values/{model}", lines)


def write_training(training: pl.DataFrame, display: Display, out: Path) -> None:
    """Write a piece `training/<model>`: one line per run and metric in METRICS, with at most 200 points.

    `training` has the columns model, run, step, metric and value.
    """
    known = training.filter(pl.col("metric").is_in(list(METRICS)), pl.col("value").is_finite())
    for (model,), own in known.partition_by("model", as_dict=True).items():
        cells = own.sort("step").partition_by("run", "metric", as_dict=True, maintain_order=True)
        lines = [
            {"title": trained_title(display.suite(str(model)), str(run)), "metric": metric, **_line(rows)}
            for (run, metric), rows in _in_order(cells, display.suite(str(model)))
        ]
        write_piece(out, f"training/{model}", lines)


def trained_title(suite: Suite, run: str) -> str:
    """Return a training run's title with its start; the base model and reward models have titles of their own."""
    if run == BASE:
        return "Pre-training"
    last = phases(run)[-1]
    own = f"Reward model on {suite.data_title(last.data)}" if last.algorithm == REWARD else suite.run_title(run)
    return own if "/" not in run else f"{own}, {suite.origin_title(run)}"


def _runs(values: pl.DataFrame, answers: Sequence[RunAnswers], model: Model) -> list[dict[str, Any]]:
    answered = {run.run: run for run in answers if run.model == model.name}
    drawn = values.filter(pl.col("model") == model.name)["run"]
    return [_run(name, model, answered) for name in sorted({*answered, *drawn}, key=model.suite.run_order)]


def _run(name: str, model: Model, answered: dict[str, RunAnswers]) -> dict[str, Any]:
    suite, own = model.suite, answered.get(name)
    checkpoints = {"kept": own.kept if own else (), "labelled": own.labelled if own else ()}
    if name == BASE:
        return {"name": name, "title": "Base model", "phase": "", "start": None, **checkpoints}
    start = answered.get(name.rpartition("/")[0] or BASE)
    return {
        "name": name,
        "title": suite.full_title(name),
        "phase": phase_title(suite, name),
        "short": short_title(suite, name),
        "own": suite.run_title(name),
        "heading": algorithm_title(phases(name)[-1].algorithm),
        "start": {"run": start.run, "step": start.steps[-1]} if start else None,
        "tokens": model.tokens_per_step(name),
        **checkpoints,
    }


def _trajectory(rows: pl.DataFrame) -> dict[str, Any]:
    stances = rows.partition_by("stance", as_dict=True)
    columns = ("value", "low", "high")
    return {
        "steps": rows["step"].unique(maintain_order=True).to_list(),
        "stances": [{name: stances[(stance,)][name].round(4).to_list() for name in columns} for stance in STANCES],
    }


def _in_order(cells: dict[tuple[Any, ...], pl.DataFrame], suite: Suite) -> list[tuple[tuple[Any, ...], pl.DataFrame]]:
    """Return the cells, whose keys begin with the run, in the order of the runs."""
    return sorted(cells.items(), key=lambda cell: suite.run_order(str(cell[0][0])))


def _line(rows: pl.DataFrame) -> dict[str, Any]:
    stride = -(-rows.height // _MOST_POINTS)
    shown = rows.gather_every(stride) if stride > 1 else rows
    return {"steps": shown["step"].to_list(), "values": [float(f"{value:.5g}") for value in shown["value"]]}
