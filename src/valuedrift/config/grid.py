"""The grid: every training run of a model, its checkpoints, and where all of it lies. Known before anything runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from math import ceil
from typing import Any

from valuedrift.config.check import Config
from valuedrift.training.settings import REWARDED

RESULTS = "results"


@dataclass(frozen=True)
class Start:
    """What a run starts from: a checkpoint of a model in its suite."""

    model: str
    suite: str
    lineage: str = "base"
    step: int = 0


@dataclass(frozen=True)
class Change:
    """One parameter of an algorithm that an ablation sets to another value, and what run names call it."""

    parameter: str
    value: float
    name: str

    @property
    def variant(self) -> str:
        """The end of the run's name, of letters, digits and hyphens: beta at 0.05 is `beta-0-05`, 5e-7 is `5e-7`."""
        number = f"{self.value:.12g}".replace("e-0", "e-").replace("+", "").replace(".", "-")
        return f"{self.name.replace('_', '-')}-{number}"


@dataclass(frozen=True)
class Run:
    """One training run. `parent` is the lineage of the run that it starts from, `base` for SFT.

    steps: the checkpoints that are saved, ascending; the last one ends the run.
    reward: the lineage of the reward model, of algorithms that need one.
    variant: what an ablation changed, such as `beta-0-5`; empty for the runs of the grid itself.
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
    variant: str = ""

    @property
    def lineage(self) -> str:
        """The run's path below its model, such as `sft-wildchat/dpo-ultrafeedback-beta-0-5`."""
        own = "-".join(part for part in (self.algorithm, self.data, self.variant) if part)
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

    def as_start(self) -> Start:
        """The run's last checkpoint, for the runs that start from it."""
        return Start(self.model, self.suite, self.lineage, self.steps[-1])

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


def total_steps(rows: int, settings: Config, algorithm: str) -> int:
    """Optimiser steps of a run. An epoch's last batch may be short, but for three kinds of algorithms.

    PPO counts episodes over all epochs; KTO has two rows a pair; GRPO and RLOO put several answers to one prompt into a
    batch, and leave the prompts of an epoch's unfilled batch to the next epoch's shuffle.
    """
    batch, epochs = int(settings["batch_size"]), int(settings["epochs"])
    if algorithm == "ppo":
        return ceil(rows * epochs / batch)
    if "answers" in settings:
        return rows // (batch // int(settings["answers"])) * epochs
    return ceil((2 * rows if algorithm == "kto" else rows) / batch) * epochs


def saved_steps(total: int, every: int | None) -> tuple[int, ...]:
    """Every multiple of `every` below the end, and the end."""
    return (*range(every, total, every), total) if every else (total,)


def runs_of(config: Config, model: str) -> list[Run]:
    """Every run of a model, each after those that it needs; ablations after the grid itself."""
    suite_name = config["models"][model]["suite"]
    suite = config["suites"][suite_name]
    found: dict[str, Run] = {}
    for data in suite["grid"]["sft"]:
        run = _run(suite, Start(model, suite_name), "sft", data)
        found[run.lineage] = run
    for block in suite["grid"]["preference"]:
        for sft, data, algorithm in product(block["sft"], block["data"], block["algorithms"]):
            _add(found, suite, f"sft-{sft}", data, algorithm)
    for block in ablations_of(config, model):
        for sft, data, value in product(block["sft"], block["data"], block["values"]):
            _add(found, suite, f"sft-{sft}", data, block["algorithm"], changed(suite, block, value))
    return list(found.values())


def ablations_of(config: Config, model: str) -> list[Config]:
    """The ablations of the model's suite that are for this model (appendix J): all that name no others."""
    grid = config["suites"][config["models"][model]["suite"]]["grid"]
    return [block for block in grid.get("ablations", []) if model in block.get("models", [model])]


def ablated(config: Config, model: str) -> list[dict[str, Any]]:
    """What the figures of appendix J compare: a row per ablation, start and data set, with its runs by value.

    A value that is the suite's own stands for the run of the grid itself.
    """
    suite = config["suites"][config["models"][model]["suite"]]
    return [
        {
            "algorithm": block["algorithm"],
            "parameter": block["parameter"],
            "sft": sft,
            "data": data,
            "runs": [
                {"value": value, "run": f"sft-{sft}/{_name(block['algorithm'], data, changed(suite, block, value))}"}
                for value in block["values"]
            ],
        }
        for block in ablations_of(config, model)
        for sft, data in product(block["sft"], block["data"])
    ]


def _add(
    found: dict[str, Run], suite: Config, parent: str, data: str, algorithm: str, change: Change | None = None
) -> None:
    """Add a run, and before it the reward model that it needs, unless the grid has them."""
    start = found[parent].as_start()
    reward = None
    if algorithm in REWARDED:
        made = _run(suite, start, "reward", data)
        reward = found.setdefault(made.lineage, made)
    run = _run(suite, start, algorithm, data, reward, change)
    found.setdefault(run.lineage, run)


def _run(
    suite: Config, start: Start, algorithm: str, data: str, reward: Run | None = None, change: Change | None = None
) -> Run:
    settings = {**suite["training"][algorithm], **({change.parameter: change.value} if change else {})}
    total = total_steps(suite["data"][data]["rows"], settings, algorithm)
    every = suite["checkpoints"].get(algorithm)
    return Run(
        model=start.model,
        suite=start.suite,
        algorithm=algorithm,
        data=data,
        parent=start.lineage,
        parent_step=start.step,
        steps=saved_steps(total, every[data] if algorithm == "sft" else every),
        settings=as_json(settings),
        reward=reward.lineage if reward else None,
        reward_step=reward.steps[-1] if reward else 0,
        variant=change.variant if change else "",
    )


def changed(suite: Config, block: Config, value: float) -> Change | None:
    """What an ablation changes at one of its values; nothing where that is the suite's own."""
    own = suite["training"][block["algorithm"]][block["parameter"]]
    return None if value == own else Change(block["parameter"], value, block.get("name") or block["parameter"])


def _name(algorithm: str, data: str, change: Change | None) -> str:
    return "-".join((algorithm, data, change.variant) if change else (algorithm, data))


def as_json(value: object) -> str:
    """JSON whose text depends on the value only, so that parameters change when what they say changes."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def traced(runs: list[Run]) -> list[Run]:
    """The runs whose answers are judged: all but reward models."""
    return [run for run in runs if run.algorithm != "reward"]


def shards(steps: tuple[int, ...], size: int) -> list[tuple[int, ...]]:
    """Consecutive checkpoints in groups of at most `size`, one process each."""
    return [steps[start : start + size] for start in range(0, len(steps), size)]
