"""What the page's script knows from the start, and the pieces of its charts: trajectories and training metrics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.paper.display_order import Topics, topic_name
from valuedrift.report.answers import BASE_RUN, RunAnswers, answers_order
from valuedrift.report.pieces import write_piece
from valuedrift.report.sections import phase_title, short_title
from valuedrift.statistics.panel import ALL, STANCES
from valuedrift.titles import data_title, full_title, model_title, origin_title, phases, run_title

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


def write_index(values: pl.DataFrame, told: Sequence[RunAnswers], topics: Topics, out: Path) -> None:
    """Write the piece `index`: stances, topics, and each model's runs with their checkpoints."""
    models = sorted({*values["model"], *(run.model for run in told)})
    index = {
        "stances": STANCES,
        "topics": [topic_name(topics, topic) for topic in topics],
        "models": [
            {"name": model, "title": model_title(model), "runs": _runs(values, told, model)} for model in models
        ],
    }
    write_piece(out, "index", index)


def write_values(values: pl.DataFrame, topics: Topics, out: Path) -> None:
    """Write a piece `values/<model>`: for each run and topic (−1: all) its steps, and its stances' values and bands."""
    places = {topic: place for place, topic in enumerate(topics)} | {ALL: -1}
    for (model,), own in values.partition_by("model", as_dict=True).items():
        cells = own.sort("step").partition_by("run", "topic", as_dict=True, maintain_order=True)
        lines = [
            {"run": run, "topic": places[str(topic)], **_trajectory(rows)}
            for (run, topic), rows in sorted(cells.items(), key=lambda cell: answers_order(str(cell[0][0])))
        ]
        write_piece(out, f"values/{model}", lines)


def write_training(training: pl.DataFrame, out: Path) -> None:
    """Write a piece `training/<model>`: a line for each run and metric of METRICS, at most 200 points of it.

    training: model, run, step, metric, value
    """
    known = training.filter(pl.col("metric").is_in(list(METRICS)), pl.col("value").is_finite())
    for (model,), own in known.partition_by("model", as_dict=True).items():
        cells = own.sort("step").partition_by("run", "metric", as_dict=True, maintain_order=True)
        lines = [
            {"title": trained_title(str(run)), "metric": metric, **_line(rows)}
            for (run, metric), rows in sorted(cells.items(), key=lambda cell: answers_order(str(cell[0][0])))
        ]
        write_piece(out, f"training/{model}", lines)


def trained_title(run: str) -> str:
    """A training run's name with where it started; base and reward models have names of their own."""
    if run == BASE_RUN:
        return "Pre-training"
    last = phases(run)[-1]
    own = f"Reward model on {data_title(last.data)}" if last.algorithm == REWARD else run_title(run)
    return own if "/" not in run else f"{own}, {origin_title(run)}"


def _runs(values: pl.DataFrame, told: Sequence[RunAnswers], model: str) -> list[dict[str, Any]]:
    answered = {run.run: run for run in told if run.model == model}
    drawn = values.filter(pl.col("model") == model)["run"]
    return [_run(name, answered) for name in sorted({*answered, *drawn}, key=answers_order)]


def _run(name: str, answered: dict[str, RunAnswers]) -> dict[str, Any]:
    own = answered.get(name)
    checkpoints = {"kept": own.kept if own else ()}
    if name == BASE_RUN:
        return {"name": name, "title": "Base model", "phase": "", "short": "", "start": None, **checkpoints}
    start = answered.get(name.rpartition("/")[0] or BASE_RUN)
    return {
        "name": name,
        "title": full_title(name),
        "phase": phase_title(name),
        "short": short_title(name),
        "start": {"run": start.run, "step": start.steps[-1]} if start else None,
        **checkpoints,
    }


def _trajectory(rows: pl.DataFrame) -> dict[str, Any]:
    stances = rows.partition_by("stance", as_dict=True)
    columns = ("value", "low", "high")
    return {
        "steps": rows["step"].unique(maintain_order=True).to_list(),
        "stances": [{name: stances[(stance,)][name].round(4).to_list() for name in columns} for stance in STANCES],
    }


def _line(rows: pl.DataFrame) -> dict[str, Any]:
    stride = -(-rows.height // _MOST_POINTS)
    shown = rows.gather_every(stride) if stride > 1 else rows
    return {"steps": shown["step"].to_list(), "values": [float(f"{value:.5g}") for value in shown["value"]]}
