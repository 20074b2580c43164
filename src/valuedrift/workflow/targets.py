"""Targets on the command line: replace folders by the files that the pipeline makes in them, report unknown names."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, product
from pathlib import Path
from typing import Any

from valuedrift.config.check import Config
from valuedrift.config.grid import RESULTS
from valuedrift.config.stages import BASE
from valuedrift.data.stances import EXPRESSION, PREDICTION, RECOVERY
from valuedrift.errors import ValueDriftError, did_you_mean
from valuedrift.workflow.project import Project
from valuedrift.workflow.project_models import CORRECTED, STATISTICS, Model
from valuedrift.workflow.project_suites import SIDES, Suite

_OF_RUNS = ("calibration", "checkpoints", "controls", "downstream", "generations", "stances")
_OF_MODELS = (*_OF_RUNS, "ablations", "agreement", "corrected", "drift", "health", "labels", "prediction", "statistics")
_OF_SUITES = ("data", "expression", "probes", "synthetic", "vprism", "world")
_OTHER = ("configuration.yaml", "embeddings", "exports", "figures", "report", "tables")
_MADE_WHOLE = {"ablations": 2, "drift": 2, **dict.fromkeys(("exports", "figures", "report", "tables"), 1)}
"""Folders that one job makes: their first part below results, and the number of parts."""
_PAGE = f"{RESULTS}/report/index.html"
_FILES_OF_RUNS = ("answers", "drift", "errors", "metrics", "source", "table")


class TargetError(ValueDriftError):
    """A target names something that the configuration doesn't have."""


def asked_targets(command: Sequence[str]) -> list[str]:
    """Return the targets on Snakemake's command line; none if another program runs Snakemake.

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
    """Return the targets for Snakemake, with folders below `results` replaced by the files that the pipeline makes.

    `results/drift` means all reported models, `results/stances/qwen3_4b` one model, `results/data` the suites of the
    reported models. The report's page, and an existing file in a folder that one job makes, stand for this folder.
    Other targets, such as names of rules, are returned unchanged, but for absolute paths, `./` and `//`, which become
    paths of rules' outputs.

    Raises:
        TargetError: A path below `results` names an unknown model, run, suite, data set, judge or chat model, or a
            folder in which nothing is made.
    """
    project, here = Project.read(config), Path.cwd()
    paths = [Path(os.path.normpath(target)) for target in targets]
    names = [_folder_of(path.relative_to(here) if path.is_relative_to(here) else path) for path in paths]
    return [file for name in names for file in (_files_in(name, project) or [name])]


def _folder_of(path: Path) -> str:
    """Return the folder that one job makes, if this is the report's page or an existing file in it; else the path."""
    root, kind, *_ = (*path.parts, "", "")
    depth = 1 + _MADE_WHOLE.get(kind, len(path.parts))
    is_inside = root == RESULTS and len(path.parts) > depth and (path.exists() or str(path) == _PAGE)
    return str(Path(*path.parts[:depth]) if is_inside else path)


def require_makeable(targets: Collection[str], rules: Iterable[Any], project: Project | None) -> None:
    """Raise TargetError, with what may have been meant, for a target that is neither a rule nor made by one, nor there.

    Args:
        targets: Targets for Snakemake, from `resolve_targets`.
        rules: Snakemake's rules.
        project: The configuration, if the workflow is this one.
    """
    rules = list(rules)
    names = {str(rule.name) for rule in rules if "/" not in str(rule.name)}

    def is_made(path: str) -> bool:
        return any(rule.is_producer(path) for rule in rules)

    for target in targets:
        if target in names or Path(target).exists() or is_made(target):
            continue
        folder = next((str(parent) for parent in Path(target).parents if is_made(str(parent))), None)
        if folder:
            raise TargetError(f"No rule makes {target} alone. One job makes the folder {folder}: name that.")
        hint = did_you_mean(target, [*names, *(_known_files(rules, project) if project else ())])
        raise TargetError(f"No rule makes {target}. {hint or '`snakemake --list-rules` prints the rules.'}")


def _known_files(rules: Iterable[Any], project: Project) -> set[str]:
    """Return the outputs of rules for all models, runs, suites and judges."""
    known = (("model", project.models), ("suite", project.suites), ("judge", project.judges))
    names: dict[str, list[str]] = {wildcard: [*each] for wildcard, each in known}
    found = set(chain(*map(_files_of_model, project.models.values())))
    for output in (output for rule in rules for output in rule.output):
        pattern = re.sub(r"\{(\w+)[^}]*\}", r"{\1}", str(output))
        wildcards = set(re.findall(r"\{(\w+)\}", pattern))
        if wildcards <= names.keys():
            options = product(*[names[wildcard] for wildcard in wildcards])
            found.update(pattern.format(**dict(zip(wildcards, values, strict=True))) for values in options)
    return found


def _files_in(target: str, project: Project) -> list[str]:
    """Return the files that the pipeline makes in a folder; none if the target isn't a folder of several results."""
    root, *parts = target.split("/")
    if root != RESULTS:
        return []
    if not parts:
        raise TargetError(
            f"target '{target}': found a folder of many results, expected one of them, such as"
            f" {RESULTS}/drift. Without a target, everything is made that the report needs."
        )
    _require_known(target, parts, project)
    is_named = len(parts) > 1
    models = project.models.values() if is_named else project.reported
    suites = project.suites.values() if is_named else project.reported_suites
    labelled = [model.name for model in models if project.labelled(model)]
    made = chain(
        *map(_files_of_model, models),
        *map(_files_of_suite, suites),
        (f"{RESULTS}/corrected/{name}/{file}" for name in labelled for file in CORRECTED),
        (folder for suite in suites for asked in suite.asked for folder in asked.folder),
    )
    files = [file for file in made if file.startswith(f"{target}/")]
    if not files and not is_named and parts[0] not in _OTHER:
        reported = ", ".join(model.name for model in project.reported)
        raise TargetError(
            f"target '{target}': found nothing that is made there for the models of the report"
            f" ({reported}), expected a folder with results. docs/configuration.md says what makes them."
        )
    return list(dict.fromkeys(files))


def _files_of_suite(suite: Suite) -> Iterator[str]:
    yield suite.probes.table
    yield from (suite.tables(data)[0] for data in suite.data)
    yield from (f"{RESULTS}/expression/{suite.name}/{file}" for file in EXPRESSION if suite.is_expressed)
    if suite.has_world and suite.is_expressed:
        yield from (f"{RESULTS}/expression/{suite.name}/recovery/{file}" for file in RECOVERY)
    if suite.writer:
        yield from (f"{RESULTS}/synthetic/{suite.name}/{side}.parquet" for side in SIDES)
    if suite.probes["source"] == "vprism":
        yield f"{RESULTS}/vprism/{suite.name}/topics.yaml"
    for table in suite.world_tables:
        yield f"{RESULTS}/world/{suite.name}/{table}.{'csv' if table == 'probes' else 'parquet'}"


def _files_of_model(model: Model) -> Iterator[str]:
    yield from (f"{RESULTS}/{kind}/{model.name}" for kind in ("drift", "ablations"))
    yield from (model.every[BASE].checkpoints if model.has_base else ())
    yield from (*(run.metrics for run in model.trained), *model.stances, *model.scores)
    yield from (file for run in model.answered for file in model.answers(run))
    yield from (f"{RESULTS}/statistics/{model.name}/{file}" for file in STATISTICS)
    yield from (f"{RESULTS}/prediction/{model.name}/{file}" for file in PREDICTION if model.suite.is_expressed)
    yield f"{RESULTS}/health/{model.name}.parquet"
    if model.suite.controls:
        yield f"{RESULTS}/controls/{model.name}/drift.parquet"
    yield from model.comparisons
    if model.suite.labels or model.suite.reference:
        yield f"{RESULTS}/labels/{model.name}.parquet"
    if model.suite["calibration"]:
        yield f"{RESULTS}/calibration/{model.name}/table.parquet"


def _require_known(target: str, parts: Sequence[str], project: Project) -> None:
    known: dict[str, tuple[str, Collection[str]]] = {
        **dict.fromkeys(_OF_MODELS, ("a model", project.models)),
        **dict.fromkeys(_OF_SUITES, ("a suite", project.suites)),
        "judges": ("a judge", project.judges),
        "llms": ("a chat model", project.llms),
        "encoders": ("a packaged encoder", project.encoders),
    }
    kind, *rest = parts
    _require(target, "a folder of results", kind, (*known, *_OTHER))
    if not rest or kind not in known:
        return
    name, *rest = rest if len(rest) > 1 else [Path(rest[0]).stem]
    _require(target, known[kind][0], name, known[kind][1])
    if kind in _OF_RUNS and rest:
        runs = list(project.models[name].every)
        if (run := _run(rest)) and not any(other.startswith(f"{run}/") for other in runs):
            _require(target, f"a run of {name}", run, runs)
    elif kind == "data" and rest and "." not in rest[0]:
        _require(target, f"a data set of {name}", rest[0], project.suites[name].data)


def _run(parts: Sequence[str]) -> str:
    """Return the run in the parts of a path below its model, without a checkpoint, a file's name and an ending."""
    *folders, last = parts
    stem = last.split(".")[0]
    return "/".join(folders if last.startswith(("step-", "shard-")) or stem in _FILES_OF_RUNS else (*folders, stem))


def _require(target: str, what: str, name: str, known: Collection[str]) -> None:
    if name in known:
        return
    hint = did_you_mean(name, known) or f"There are {', '.join(known)}."
    raise TargetError(f"target {target!r}: found {name!r}, expected {what}. {hint}")
