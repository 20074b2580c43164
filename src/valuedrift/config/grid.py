"""The grid: every training run of a model, its checkpoints, and where all of it lies. Known before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

from valuedrift.config.check import Config

RESULTS = "results"


@dataclass(frozen=True)
class Run:
    """One training run. `parent` is the lineage of the run that it starts from, `base` for SFT.

    steps: the checkpoints that are saved, ascending; the last one ends the run.
    reward: the lineage of PPO's reward model.
    """

    model: str
    suite: str
    algorithm: str
    data: str
    parent: str
    parent_step: int
    steps: tuple[int, ...]
    settings: str
    reward: str | None = None
    reward_step: int = 0

    @property
    def lineage(self) -> str:
        """The run's path below its model, such as `sft-wildchat/dpo-ultrafeedback`."""
        own = f"{self.algorithm}-{self.data}"
        return own if self.parent == "base" else f"{self.parent}/{own}"

    @property
    def rule(self) -> str:
        """The name of the rule that trains it."""
        return f"train_{self.model}_{self.lineage}".replace("/", "_").replace("-", "_")

    @property
    def checkpoints(self) -> list[str]:
        return [checkpoint(self.model, self.lineage, step) for step in self.steps]

    @property
    def start(self) -> str:
        return checkpoint(self.model, self.parent, self.parent_step)

    @property
    def reward_model(self) -> str | None:
        return self.reward and checkpoint(self.model, self.reward, self.reward_step)

    def trajectory(self) -> dict[str, Any]:
        """The run as valuedrift.statistics reads it."""
        return {
            "run": self.lineage,
            "algorithm": self.algorithm,
            "data": self.data,
            "sft": self.lineage.split("/")[0].removeprefix("sft-"),
            "start_run": self.parent,
            "start_step": self.parent_step,
            "steps": list(self.steps),
        }


def checkpoint(model: str, lineage: str, step: int) -> str:
    """The folder of one checkpoint's weights."""
    return f"{RESULTS}/checkpoints/{model}/{lineage}/step-{step:06d}"


def total_steps(rows: int, batch_size: int, epochs: int, algorithm: str) -> int:
    """Optimiser steps of a run. An epoch's last batch may be short; PPO counts episodes over all epochs instead."""
    return ceil(rows * epochs / batch_size) if algorithm == "ppo" else ceil(rows / batch_size) * epochs


def saved_steps(total: int, every: int | None) -> tuple[int, ...]:
    """Every multiple of `every` below the end, and the end."""
    return (*range(every, total, every), total) if every else (total,)


def runs_of(config: Config, model: str) -> list[Run]:
    """Every run of a model, each after those that it needs."""
    suite_name = config["models"][model]["suite"]
    suite = config["suites"][suite_name]
    found: dict[str, Run] = {}
    for data in suite["grid"]["sft"]:
        run = _run(suite, model, suite_name, "sft", data, None)
        found[run.lineage] = run
    for block in suite["grid"]["preference"]:
        for sft in block["sft"]:
            for data in block["data"]:
                for run in _preference(suite, found[f"sft-{sft}"], data, block["algorithms"]):
                    found[run.lineage] = run
    return list(found.values())


def _preference(suite: Config, parent: Run, data: str, algorithms: list[str]) -> Iterator[Run]:
    reward = None
    if "ppo" in algorithms:
        reward = _run(suite, parent.model, parent.suite, "reward", data, parent)
        yield reward
    for algorithm in algorithms:
        yield _run(suite, parent.model, parent.suite, algorithm, data, parent, reward if algorithm == "ppo" else None)


def _run(
    suite: Config, model: str, suite_name: str, algorithm: str, data: str, parent: Run | None, reward: Run | None = None
) -> Run:
    settings = suite["training"][algorithm]
    total = total_steps(suite["data"][data]["rows"], settings["batch_size"], settings["epochs"], algorithm)
    every = suite["checkpoints"].get(algorithm)
    return Run(
        model=model,
        suite=suite_name,
        algorithm=algorithm,
        data=data,
        parent=parent.lineage if parent else "base",
        parent_step=parent.steps[-1] if parent else 0,
        steps=saved_steps(total, every[data] if algorithm == "sft" else every),
        settings=as_json(settings),
        reward=reward.lineage if reward else None,
        reward_step=reward.steps[-1] if reward else 0,
    )


def as_json(value: object) -> str:
    """JSON whose text depends on the value only, so that parameters change when what they say changes."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def traced(runs: list[Run]) -> list[Run]:
    """The runs whose answers are judged: all but reward models."""
    return [run for run in runs if run.algorithm != "reward"]


def shards(steps: tuple[int, ...], size: int) -> list[tuple[int, ...]]:
    """Consecutive checkpoints in groups of at most `size`, one process each."""
    return [steps[start : start + size] for start in range(0, len(steps), size)]
