"""The grid: every run of a model, trained or found, its checkpoints and their paths, known before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Any

from valuedrift.config.check import Config
from valuedrift.config.found_checkpoints import Found, found_checkpoints
from valuedrift.config.hyperparameters import REWARDED
from valuedrift.config.schema import Model
from valuedrift.config.stages import BASE, MOST_CHECKPOINTS, Stage
from valuedrift.config.training_steps import saved_steps, total_steps
from valuedrift.errors import ConfigError

RESULTS = "results"
# The last part of a trained run's lineage has a hyphen; a found stage's has none.
FOUND = "(?!base(/|$))([a-z0-9_-]+/)*[a-z0-9_]+"
TRAINED = f"{BASE}|([a-z0-9_-]+/)*[a-z0-9]+-[a-z0-9-]+"
"""Patterns of their lineages. The base model counts as trained."""


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


Changes = tuple[Change, ...]


@dataclass(frozen=True)
class Run:
    """One training run, or one stage that was found.

    Attributes:
        algorithm: The algorithm; of a found stage, its name.
        data: The data set; empty for a found stage.
        parent: The lineage of the run that it starts from, `base` for SFT; None for a found stage that starts at its
            own first checkpoint.
        steps: The steps whose checkpoints are saved, ascending; the last one ends the run.
        settings: What its algorithm reads.
        found: The checkpoints of a found stage, one per step.
        reward: The lineage of the reward model, of algorithms that need one.
        variant: What an ablation changed, such as `beta-0-5`; empty with the suite's settings.
    """

    model: str
    suite: str
    algorithm: str
    data: str
    parent: str | None
    parent_step: int
    steps: tuple[int, ...]
    settings: Config = field(default_factory=dict)
    found: tuple[Found, ...] = ()
    reward: str | None = None
    reward_step: int = 0
    variant: str = ""

    @property
    def lineage(self) -> str:
        """The run's path below its model, such as `sft-chats/dpo-pairs-beta-0-5`."""
        own = "-".join(filter(None, [self.algorithm, self.data, self.variant]))
        return own if self.parent in (None, BASE) else f"{self.parent}/{own}"

    @property
    def rule(self) -> str:
        """The name of the rule that trains it."""
        return f"train_{self.model}_{self.lineage}".replace("/", "_").replace("-", "_")

    def checkpoint(self, step: int) -> str:
        """The folder of one step's weights: where it was found, or where the pipeline writes it."""
        there = next((one.source.get("folder") for one in self.found if one.step == step), None)
        return there or checkpoint(self.model, self.lineage, step)

    @property
    def checkpoints(self) -> list[str]:
        return [self.checkpoint(step) for step in self.steps]

    @property
    def metrics(self) -> str:
        return metrics(self.model, self.lineage)

    @property
    def reward_model(self) -> str | None:
        return self.reward and checkpoint(self.model, self.reward, self.reward_step)

    def trajectory(self) -> dict[str, Any]:
        """The run as valuedrift.statistics reads it."""
        first = 1 if self.parent is None else 0
        return {
            "run": self.lineage,
            "algorithm": self.algorithm,
            "data": self.data,
            "sft": self.lineage.split("/")[0].removeprefix("sft-"),
            "start_run": self.parent or self.lineage,
            "start_step": self.steps[0] if self.parent is None else self.parent_step,
            "steps": list(self.steps[first:]),
        }


def checkpoint(model: str, lineage: str, step: int) -> str:
    """The folder of one checkpoint's weights."""
    return f"{RESULTS}/checkpoints/{model}/{lineage}/step-{step:06d}"


def metrics(model: str, lineage: str) -> str:
    """The table of what a training run logged."""
    return f"{RESULTS}/checkpoints/{model}/{lineage}/metrics.parquet"


def grid_runs(config: Config, model: str) -> list[Run]:
    """Every run of a model's grid and every found stage, each after those that it needs, without ablations.

    Raises:
        ConfigError: A found stage follows nothing that there is, or its checkpoints aren't there.
    """
    grid = config["suites"][config["models"][model]["suite"]]["grid"]
    found = {run.lineage: run for run in (_run(config, model, None, "sft", data) for data in grid["sft"])}
    _add_stages(found, config, model)
    for block in grid["preference"]:
        for sft, data, algorithm in product(block["sft"], block["data"], block["algorithms"]):
            _add(found, config, _start(found, sft), algorithm, data)
    _add_stages(found, config, model)
    for name, stage in config["models"][model].get("stages", {}).items():
        if name not in _by_name(found):
            known = ", ".join([*filter(None, [_base(config, model)]), *_by_name(found)]) or "none"
            raise ConfigError(
                f"models.{model}.stages.{name}.after", stage["after"], f"an earlier stage or run: {known}"
            )
    return list(found.values())


def _base(config: Config, model: str) -> str | None:
    """The name of the model's base model, if it has one."""
    return BASE if any(key in config["models"][model] for key in Model.one_of) else None


def _by_name(found: dict[str, Run]) -> dict[str, Run]:
    """Runs by lineage, and found stages by their own name as well."""
    return {**found, **{run.algorithm: run for run in found.values() if run.found}}


def _start(found: dict[str, Run], sft: str) -> Run:
    """The run that a block of the grid names: an SFT set or a found stage."""
    return found.get(f"sft-{sft}") or _by_name(found)[sft]


def _add_stages(found: dict[str, Run], config: Config, model: str) -> None:
    """Add the found stages that follow the base model, one of these runs, or nothing."""
    entry, base = config["models"][model], _base(config, model)
    for name, values in entry.get("stages", {}).items():
        key, starts = f"models.{model}.stages.{name}", _by_name(found)
        stage = Stage.read(values, key)
        start = starts.get(stage.after or "")
        if name in starts or not (start or stage.after in (None, base)):
            continue
        there = found_checkpoints(stage, key)
        if there[0].step == 0 and (start or base):
            expected = f"steps above 0: step 0 is the last checkpoint of {stage.after or base}"
            raise ConfigError(f"{key}.steps", 0, expected, "List `steps` without it.")
        run = Run(
            model=model,
            suite=entry["suite"],
            algorithm=name,
            data="",
            parent=start.lineage if start else base,
            parent_step=start.steps[-1] if start else 0,
            steps=tuple(one.step for one in there),
            found=there,
        )
        found[run.lineage] = run


def runs_of(config: Config, model: str) -> list[Run]:
    """Every run of a model, each after those that it needs; ablations after the grid itself."""
    return list(_with_ablations(config, model)[0].values())


def ablated(config: Config, model: str) -> list[dict[str, Any]]:
    """What the figures of appendix J compare: one row per run of an ablation.

    Returns:
        Rows with the `parameter` that varies, its `value`, whether that is the suite's `own`, the other `settings` that
        the ablation's runs share, and the run's `trajectory`.

    Raises:
        ConfigError: For a model without ablations.
    """
    suite = config["models"][model]["suite"]
    training = config["suites"][suite]["training"]
    _, points = _with_ablations(config, model)
    if not points:
        key = f"suites.{suite}.grid.ablations"
        raise ConfigError(key, f"none for {model}", "one or more", "docs/ablations.md says how to add one.")
    return [
        {
            "parameter": block["parameter"],
            "value": value,
            "own": value == training[block["algorithm"]][block["parameter"]],
            "settings": block.get("settings", {}),
            "trajectory": run.trajectory(),
        }
        for block, value, run in points
    ]


def _with_ablations(config: Config, model: str) -> tuple[dict[str, Run], list[tuple[Config, float, Run]]]:
    """All runs by their lineage, and the runs of ablations (appendix J) with the ablation and the value.

    An ablation applies to the models that it names, or else to all.
    """
    suite = config["suites"][config["models"][model]["suite"]]
    found = {run.lineage: run for run in grid_runs(config, model)}
    points = []
    for block in suite["grid"].get("ablations", []):
        if model in (block.get("models") or [model]):
            for sft, data, value in product(block["sft"], block["data"], block["values"]):
                changed = changes(suite, block, value)
                run = _add(found, config, _start(found, sft), block["algorithm"], data, changed)
                points.append((block, value, run))
    return found, points


def _add(found: dict[str, Run], config: Config, parent: Run, algorithm: str, data: str, changed: Changes = ()) -> Run:
    """Add a run, and before it the reward model that it needs, unless the grid has them."""
    reward = None
    if algorithm in REWARDED:
        made = _run(config, parent.model, parent, "reward", data)
        reward = found.setdefault(made.lineage, made)
    run = _run(config, parent.model, parent, algorithm, data, reward, changed)
    return found.setdefault(run.lineage, run)


def _run(
    config: Config,
    model: str,
    parent: Run | None,
    algorithm: str,
    data: str,
    reward: Run | None = None,
    changed: Changes = (),
) -> Run:
    name = config["models"][model]["suite"]
    suite = config["suites"][name]
    settings = {**suite["training"][algorithm], **{change.parameter: change.value for change in changed}}
    total = total_steps(suite["data"][data]["rows"], settings, algorithm)
    every = suite["checkpoints"].get(algorithm)
    every = every[data] if algorithm == "sft" else every
    if every and total // every > MOST_CHECKPOINTS:
        found = f"{total // every:,} checkpoints in {total:,} steps"
        raise ConfigError(f"suites.{name}.checkpoints.{algorithm}", found, f"at most {MOST_CHECKPOINTS:,}")
    return Run(
        model=model,
        suite=name,
        algorithm=algorithm,
        data=data,
        parent=parent.lineage if parent else BASE,
        parent_step=parent.steps[-1] if parent else 0,
        steps=saved_steps(total, every),
        settings=settings,
        reward=reward.lineage if reward else None,
        reward_step=reward.steps[-1] if reward else 0,
        variant="-".join(change.variant for change in changed),
    )


def changes(suite: Config, block: Config, value: float) -> Changes:
    """What an ablation changes at one of its values; nothing where all values are the suite's own.

    Sorted by name, so that runs with the same settings are one run, whichever ablation has them.
    """
    own, parameter = suite["training"][block["algorithm"]], block["parameter"]
    wanted = {**block.get("settings", {}), parameter: value}
    names = {parameter: block.get("name") or parameter}
    return tuple(Change(key, wanted[key], names.get(key, key)) for key in sorted(wanted) if wanted[key] != own[key])


def traced(runs: list[Run]) -> list[Run]:
    """The runs whose answers are judged: all but reward models."""
    return [run for run in runs if run.algorithm != "reward"]


def shards(steps: tuple[int, ...], size: int) -> list[tuple[int, ...]]:
    """Consecutive checkpoints in groups of at most `size`, one process per group."""
    return [steps[start : start + size] for start in range(0, len(steps), size)]
