"""Targets on the command line: folders stand for the files that the pipeline makes in them, unknown names are told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from valuedrift.config.check import Config
from valuedrift.config.grid import RESULTS, checkpoint, metrics
from valuedrift.dataset_stances import EXPRESSION, PREDICTION, RECOVERY
from valuedrift.errors import ValueDriftError
from valuedrift.workflow.flow import STATISTICS, Workflow
from valuedrift.workflow.stages import BASE

_OF_MODELS = (
    "ablations",
    "calibration",
    "checkpoints",
    "downstream",
    "drift",
    "generations",
    "labels",
    "prediction",
    "stances",
    "statistics",
)
_OF_RUNS = ("calibration", "checkpoints", "downstream", "generations", "stances")
_OF_SUITES = ("data", "expression", "probes", "synthetic", "vprism", "world")
_FILES_OF_RUNS = ("answers", "errors", "metrics", "source", "table")
_OTHER = ("configuration.yaml", "exports", "figures", "judges", "llms", "report", "tables")


class TargetError(ValueDriftError):
    """A target names something that the configuration doesn't have."""


def resolve_targets(targets: Sequence[str], config: Config) -> list[str]:
    """Targets for Snakemake: a folder below `results` becomes the files that the pipeline makes in it.

    `results/drift` stands for all reported models, `results/stances/qwen3_4b` for one model, `results/data` for the
    suites of the reported models. Other targets, such as names of rules, stay as they are.

    Raises:
        TargetError: For a path below `results` that names an unknown model, run, suite, data set, judge or chat model.
    """
    flow = Workflow.read(config)
    return [file for target in targets for file in (_files_in(target.rstrip("/"), flow) or [target])]


def _files_in(target: str, flow: Workflow) -> list[str]:
    """The files that a folder stands for; none where the target is no folder of several results."""
    root, *parts = target.split("/")
    if root != RESULTS or not parts:
        return []
    _require_known(target, parts, flow)
    kind, *below = parts
    if below:
        names = below[:1]
    else:
        suites = list(dict.fromkeys(map(flow.suite_name, flow.reported)))
        names = flow.reported if kind in _OF_MODELS else suites if kind in _OF_SUITES else []
    return [file for name in names for file in _made(kind, name, flow) if file.startswith(f"{target}/")]


def _made(kind: str, name: str, flow: Workflow) -> Iterator[str]:
    """The files of a kind that the pipeline makes for a model or suite."""
    folder = f"{RESULTS}/{kind}/{name}"
    if kind in _OF_MODELS:
        yield from _made_for_model(kind, name, folder, flow)
    elif kind == "data":
        yield from (f"{folder}/{data}/train.parquet" for data in flow.config["suites"][name]["data"])
    elif kind == "expression":
        planted = flow.world_tables(name)
        yield from (f"{folder}/{file}" for file in EXPRESSION)
        yield from (f"{folder}/recovery/{file}" for file in RECOVERY if planted)
    elif kind == "probes":
        yield f"{folder}.parquet"
    elif kind == "synthetic" and "synthetic" in flow.config["suites"][name]:
        yield from (f"{folder}/{side}.parquet" for side in ("support", "oppose"))
    elif kind == "vprism" and flow.config["suites"][name]["probes"]["source"] == "vprism":
        yield f"{folder}/topics.yaml"
    elif kind == "world":
        ends = {"probes": "csv"}
        yield from (f"{folder}/{table}.{ends.get(table, 'parquet')}" for table in flow.world_tables(name))


def _made_for_model(kind: str, model: str, folder: str, flow: Workflow) -> Iterator[str]:
    traced = [run.lineage for run in flow.traced(model)]
    if kind in ("drift", "ablations"):
        yield folder
    elif kind == "labels" and flow.world_labels(model):
        yield f"{folder}.parquet"
    elif kind == "checkpoints":
        yield from (checkpoint(model, BASE, 0), *(metrics(model, run) for run in flow.runs[model]))
    elif kind == "generations":
        yield from (file for run in (BASE, *traced) for file in flow.shard_files(model, run))
    elif kind == "stances":
        yield from flow.stance_files(model)
    elif kind == "statistics":
        yield from (f"{folder}/{file}" for file in STATISTICS)
    elif kind == "prediction":
        yield from (f"{folder}/{file}" for file in PREDICTION)
    elif kind == "calibration" and flow.suite(model)["calibration"]:
        yield f"{folder}/table.parquet"
    elif kind == "downstream":
        yield from (file for file in flow.downstream_files() if file.startswith(f"{folder}/"))


def _require_known(target: str, parts: Sequence[str], flow: Workflow) -> None:
    config = flow.config
    kinds = (*_OF_MODELS, *_OF_SUITES, *_OTHER)
    _require(target, "a folder of results", parts[0], kinds)
    if len(parts) == 1:
        return
    kind, name, *rest = parts[0], Path(parts[1]).stem if len(parts) == 2 else parts[1], *parts[2:]
    if kind in _OF_MODELS:
        _require(target, "a model", name, config["models"])
    elif kind in _OF_SUITES:
        _require(target, "a suite", name, config["suites"])
    elif kind in ("judges", "llms"):
        _require(target, "a judge" if kind == "judges" else "a chat model", name, config.get(kind, {}))
    if kind in _OF_RUNS and rest:
        runs = [BASE, *flow.runs[name]]
        if (run := _run(rest)) and not any(other.startswith(f"{run}/") for other in runs):
            _require(target, f"a run of {name}", run, runs)
    elif kind == "data" and rest and "." not in rest[0]:
        _require(target, f"a data set of {name}", rest[0], config["suites"][name]["data"])


def _run(parts: Sequence[str]) -> str:
    """The run in the parts of a path below its model: all but files and checkpoints, or the file's own name."""
    *folders, last = parts
    if last.startswith(("step-", "shard-")) or last.split(".")[0] in _FILES_OF_RUNS:
        return "/".join(folders)
    return "/".join((*folders, last.split(".")[0] if folders or "." in last else last))


def _require(target: str, what: str, name: str, known: Collection[str]) -> None:
    if name in known:
        return
    close = get_close_matches(name, known, 1, cutoff=0.5)
    hint = f"Did you mean {close[0]}?" if close else f"There are {', '.join(known)}."
    raise TargetError(f"target '{target}': found '{name}', expected {what}. {hint}")
