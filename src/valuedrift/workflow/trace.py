"""The configuration that traces checkpoints that exist already, in a file for the user to keep, and its run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from valuedrift.config.check import Config
from valuedrift.config.grid import RESULTS
from valuedrift.config.yaml_files import read_yaml
from valuedrift.errors import ArtifactError, ConfigError, ValueDriftError, did_you_mean
from valuedrift.files import write_text
from valuedrift.models.hub import HubFolder, pin
from valuedrift.workflow.found_stages import FoundStage
from valuedrift.workflow.job_graph import job_graph
from valuedrift.workflow.plan import plan_targets, require_budget
from valuedrift.workflow.plan_text import plan_text
from valuedrift.workflow.project import Project

_GENERATION = {"temperature": 0.7, "max_tokens": 256, "batch_size": 100}


def trace_configuration(
    name: str, stages: Sequence[FoundStage], base: str | None, judge: str, questions: str = "50", answers: int = 5
) -> Config:
    """Return the part of a configuration that traces these stages, each after the one before it.

    Adapters follow the stage that has the model on which they were trained.

    Args:
        name: The model's key.
        stages: The stages, in order.
        base: A folder or a repository (OWNER/NAME or OWNER/NAME@REVISION) with the model before all stages; None for
            that of the first stage's adapters, or else no model.
        judge: A key of `judges`.
        questions: A file of questions, or how many of the package's to ask per topic.
        answers: Answers per question.
    """
    base = base or stages[0].start or None
    entries: dict[str, Config] = {}
    for stage in stages:
        owners = [
            name for name, entry in entries.items() if stage.start and _is_below(stage.start, entry.get("folder"))
        ]
        after = {"after": [*entries, *owners][-1]} if entries else {}
        # Step 0 of a stage that follows another model is that model.
        steps = [step for step in stage.steps if step or not (after or base)]
        listed = {"steps": _short(steps)} if steps and ("hub" in stage.entry or len(steps) < len(stage.steps)) else {}
        entries[stage.name] = {**stage.entry, **listed, **after}
    model = {"suite": name, **_base(base), "stages": entries, "chat": {"template": "own"}}
    probes: Config = {"source": "questions", "file": questions}
    if questions.isdecimal():
        probes = {"source": "builtin", "per_topic": int(questions)}
    suite = {"probes": probes, "generation": {"answers": answers, **_GENERATION}, "judge": judge}
    return {"report": {"models": [name]}, "models": {name: model}, "suites": {name: suite}}


def write_trace(config: Config, file: Path) -> None:
    """Write a configuration, and say how it is run; if the file is there already, it must have the same content.

    Raises:
        ArtifactError: The file has another content.
    """
    run = f"snakemake --cores all --configfile {file}"
    if file.exists():
        if read_yaml(file) != config:
            do = f"Run it as it is ({run}), remove it, or give another --name."
            raise ArtifactError(file, "another configuration", "none, or the same one", do)
        return
    text = yaml.safe_dump(config, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
    write_text(
        file, f"# Written by `valuedrift trace`. Edit it as you like (docs/tracing.md), and run it:\n# {run}\n{text}"
    )


def run_trace(options: Sequence[str], cores: str | None) -> None:
    """Print what `snakemake OPTIONS` will take, and run it unless `cores` is None.

    Raises:
        OverBudget: The plan takes more than the budget.
        ValueDriftError: Snakemake has failed.
    """
    plan, budget = plan_targets((), options)
    print(plan_text(plan, budget), flush=True)
    require_budget(plan, budget)
    command = ["snakemake", "--cores", cores or "all", *options]
    if cores and subprocess.run([sys.executable, "-m", *command], check=False).returncode:
        raise ValueDriftError(f"Snakemake has failed; its messages are above. To go on, run `{shlex.join(command)}`.")


def trace_judge(name: str, judge: str | None, options: Sequence[str]) -> str:
    """Return the judge, by default the first of the configuration that the pipeline doesn't train.

    Args:
        name: The traced model's key, which must be a new one.
        judge: A key of `judges`.
        options: Options of Snakemake.

    Raises:
        ConfigError: There is no such judge, or there is such a model or suite.
    """
    with job_graph([f"{RESULTS}/configuration.yaml"], options) as workflow:
        project = Project.read(workflow.config)
    if name in {**project.models, **project.suites} or not re.fullmatch("[a-z0-9_]+", name):
        expected = "a name of a-z, 0-9 and _ that no model or suite has"
        raise ConfigError("models", name, expected, "Give one with --name.")
    general = [key for key, each in project.judges.items() if not each.is_trained]
    if judge is None and general:
        return general[0]
    if judge not in project.judges:
        do = did_you_mean(judge or "", project.judges) or "Name it with --judge."
        raise ConfigError("judges", judge, f"one of {', '.join(project.judges)}", do)
    return judge


def model_key(stage: FoundStage) -> str:
    """Return a key for the model: the name of the stage's repository, or of its folder."""
    place = stage.entry["hub"]["name"].partition("/")[2] if "hub" in stage.entry else stage.entry["folder"]
    return re.sub(r"[^a-z0-9]+", "_", Path(place).absolute().name.lower()).strip("_") or "traced"


def _base(base: str | None) -> Config:
    if base is None or Path(base).is_dir():
        return {"folder": base} if base else {}
    name, _, revision = base.partition("@")
    (pinned,) = pin([HubFolder(name, revision or "main")])
    return {"hub": {"name": name, "revision": pinned.commit}}


def _is_below(path: str, folder: str | None) -> bool:
    return folder is not None and Path(path).resolve().is_relative_to(Path(folder).resolve())


def _short(steps: Sequence[int]) -> list[int] | Config:
    """Return four or more evenly spaced steps as {from, to, every}."""
    every = steps[1] - steps[0] if len(steps) > 3 else 0
    if every and list(steps) == list(range(steps[0], steps[-1] + 1, every)):
        return {"from": steps[0], "to": steps[-1], "every": every}
    return list(steps)
