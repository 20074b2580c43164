"""Targets on the command line: folders stand for the files that the pipeline makes in them, unknown names are told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from valuedrift.config.check import Config
from valuedrift.config.grid import BASE, RESULTS
from valuedrift.dataset_stances import EXPRESSION, PREDICTION, RECOVERY
from valuedrift.errors import ValueDriftError, did_you_mean
from valuedrift.workflow.project import Project
from valuedrift.workflow.project_models import CORRECTED, STATISTICS, Model
from valuedrift.workflow.project_suites import SIDES, Suite

_OF_MODELS = (
    "ablations",
    "calibration",
    "checkpoints",
    "corrected",
    "downstream",
    "drift",
    "generations",
    "labels",
    "prediction",
    "stances",
    "statistics",
)
_OF_RUNS = ("calibration", "checkpoints", "downstream", "generations", "stances")
_FILES_OF_RUNS = ("answers", "errors", "metrics", "source", "table")
_OF_SUITES = ("data", "expression", "probes", "synthetic", "vprism", "world")
_OTHER = ("configuration.yaml", "exports", "figures", "judges", "llms", "report", "tables")


class TargetError(ValueDriftError):
    """A target names something that the configuration doesn't have."""


def asked_targets(command: Sequence[str]) -> list[str]:
    """The targets on Snakemake's command line; none where another program runs Snakemake.

    Args:
        command: The program and its arguments.
    """
    program = Path(command[0])
    if "snakemake" not in (program.name, program.parent.name):
        return []
    from snakemake.cli import get_argument_parser

    targets: list[str] = get_argument_parser().parse_known_args(command[1:])[0].targets
    return targets


def resolve_targets(targets: Sequence[str], config: Config) -> list[str]:
    """Targets for Snakemake: a folder below `results` becomes the files that the pipeline makes in it.

    `results/drift` stands for all reported models, `results/stances/qwen3_4b` for one model, `results/data` for the
    suites of the reported models. Other targets, such as names of rules, stay as they are.

    Raises:
        TargetError: For a path below `results` that names an unknown model, run, suite, data set, judge or chat model.
    """
    project = Project.read(config)
    return [file for target in targets for file in (_files_in(target.rstrip("/"), project) or [target])]


def _files_in(target: str, project: Project) -> list[str]:
    """The files that a folder stands for; none where the target is no folder of several results."""
    root, *parts = target.split("/")
    if root != RESULTS or not parts:
        return []
    _require_known(target, parts, project)
    kind, *names = parts
    if kind in _OF_MODELS:
        models = [model for model in project.models.values() if model.name in names[:1]] if names else project.reported
        files = [file for model in models for file in _files_of_model(kind, model, project)]
    else:
        suites = [suite for suite in project.suites.values() if suite.name in names[:1]] or project.reported_suites
        files = [file for suite in suites for file in _files_of_suite(kind, suite)]
    return [file for file in files if file.startswith(f"{target}/")]


def _files_of_suite(kind: str, suite: Suite) -> Iterator[str]:
    folder = f"{RESULTS}/{kind}/{suite.name}"
    if kind == "data":
        yield from (suite.tables(data)[0] for data in suite.data)
    elif kind == "expression":
        yield from (f"{folder}/{file}" for file in EXPRESSION)
        yield from (f"{folder}/recovery/{file}" for file in RECOVERY if suite.has_world)
    elif kind == "probes":
        yield suite.probes.table
    elif kind == "synthetic" and suite.writer:
        yield from (f"{folder}/{side}.parquet" for side in SIDES)
    elif kind == "vprism" and suite.probes["source"] == "vprism":
        yield f"{folder}/topics.yaml"
    elif kind == "world":
        yield from (f"{folder}/{table}.{'csv' if table == 'probes' else 'parquet'}" for table in suite.world_tables)


def _files_of_model(kind: str, model: Model, project: Project) -> Iterator[str]:
    folder = f"{RESULTS}/{kind}/{model.name}"
    if kind in ("drift", "ablations"):
        yield folder
    elif kind == "labels" and model.suite.labels:
        yield f"{folder}.parquet"
    elif kind == "checkpoints":
        yield from (model.base, *(run.metrics for run in model.runs.values()))
    elif kind == "generations":
        yield from (file for run in (BASE, *(run.lineage for run in model.traced)) for file in model.answers(run))
    elif kind == "stances":
        yield from model.stances
    elif kind == "statistics":
        yield from (f"{folder}/{file}" for file in STATISTICS)
    elif kind == "corrected" and project.labelled(model):
        yield from (f"{folder}/{file}" for file in CORRECTED)
    elif kind == "prediction":
        yield from (f"{folder}/{file}" for file in PREDICTION)
    elif kind == "calibration" and model.suite["calibration"]:
        yield f"{folder}/table.parquet"
    elif kind == "downstream":
        yield from model.scores


def _require_known(target: str, parts: Sequence[str], project: Project) -> None:
    _require(target, "a folder of results", parts[0], (*_OF_MODELS, *_OF_SUITES, *_OTHER))
    if len(parts) == 1:
        return
    kind, name, *rest = parts[0], Path(parts[1]).stem if len(parts) == 2 else parts[1], *parts[2:]
    if kind in _OF_MODELS:
        _require(target, "a model", name, project.models)
    elif kind in _OF_SUITES:
        _require(target, "a suite", name, project.suites)
    elif kind == "judges":
        _require(target, "a judge", name, project.judges)
    elif kind == "llms":
        _require(target, "a chat model", name, project.llms)
    if kind in _OF_RUNS and rest:
        runs = [BASE, *project.models[name].runs]
        if (run := _run(rest)) and not any(other.startswith(f"{run}/") for other in runs):
            _require(target, f"a run of {name}", run, runs)
    elif kind == "data" and rest and "." not in rest[0]:
        _require(target, f"a data set of {name}", rest[0], project.suites[name].data)


def _run(parts: Sequence[str]) -> str:
    """The run in the parts of a path below its model: without a checkpoint or file in its folder, and an ending."""
    *folders, last = parts
    stem = last.split(".")[0]
    return "/".join(folders if last.startswith(("step-", "shard-")) or stem in _FILES_OF_RUNS else (*folders, stem))


def _require(target: str, what: str, name: str, known: Collection[str]) -> None:
    if name in known:
        return
    hint = did_you_mean(name, known) or f"There are {', '.join(known)}."
    raise TargetError(f"target '{target}': found '{name}', expected {what}. {hint}")
