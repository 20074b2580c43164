"""Parameters and inputs of the rules. Snakemake compares some of them with those that made a result."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from valuedrift.digests import file_digest
from valuedrift.errors import ArtifactError, exit_on_error, require_no_braces

if TYPE_CHECKING:
    from valuedrift.workflow.project import Project


def as_json(value: object, keep_order: bool = False) -> str:
    """Return JSON text that depends on the value only, so that equal values are equal parameters.

    A brace before a word, which Snakemake would take for the start of a wildcard, is escaped.

    Args:
        value: The value.
        keep_order: Keep the order of keys, for mappings whose order has a meaning.
    """
    text = json.dumps(value, sort_keys=not keep_order, ensure_ascii=False)
    return re.sub(r"\{(?=\s*\w)", r"\\u007b", text)


def sizes(project: Project) -> str:
    """Return model → its number of parameters, of the reported models, as JSON."""
    from valuedrift.workflow.job_sizes import Sizes  # imports large libraries

    return as_json({model.name: Sizes(project).parameters(model.entry) for model in project.reported})


def untracked(value: Any) -> Callable[..., Any]:
    """Return a parameter that Snakemake doesn't compare, so that no job runs again when it changes.

    Args:
        value: The parameter, or a function of the wildcards.
    """

    # Snakemake doesn't record a function's parameter if the function has an argument `output`: it counts as derived.
    def parameter(wildcards: Any, output: Any) -> Any:
        return value(wildcards) if callable(value) else value

    return parameter


def untimed(folder: Any) -> Any:
    """Return an input whose time isn't compared. Folders have no checksum, so a newer copy would count as changed.

    Args:
        folder: One path, several, or a function of the wildcards that returns them.
    """
    from snakemake.io import ancient

    return ancient(folder)


def named_inputs(files: Iterable[str], made: Container[str] = ()) -> list[str]:
    """Return files that the configuration names, as inputs of a rule.

    A path with a variable that isn't set is left out; the job that reads the file explains what is missing.

    Args:
        files: Paths.
        made: Paths without endings of files that other rules make.

    Raises:
        SystemExit: There is no such file. Where results exist, Snakemake would accept them and say nothing of the file.
    """
    with exit_on_error():
        paths = [path for path in map(named, files) if "$" not in path]
        for path in paths:
            if not Path(path).exists() and str(Path(path).with_suffix("")) not in made:
                do = "Put it there, or correct its path."
                raise ArtifactError(path, "no such file", "a file, as the configuration names it", do)
    return paths


def named(path: str) -> str:
    """Return a path of the configuration with its variables and `~` expanded."""
    return os.path.expanduser(require_no_braces(os.path.expandvars(path)))  # noqa: PTH111 (~nobody stays as it is)


def one_of(names: Iterable[str]) -> str:
    """Return a wildcard's pattern that matches these names; if there are none, it matches nothing."""
    return "|".join(names) or "(?!)"


def option(name: str, files: list[str]) -> str:
    """Return `--name FILE …` for a shell, or an empty text if there are no files."""
    return f"{name} {shlex.join(files)}" if files else ""


def folders(files: Iterable[str]) -> list[str]:
    """Return the folders of the files, each once, in order."""
    return list(dict.fromkeys(str(Path(file).parent) for file in files))


# Optional results: the report and figures show them if they exist; no job makes them for that purpose.


def measured(folder: str, models: Iterable[str]) -> list[str]:
    """Return the models' score files below `folder`, which `valuedrift.downstream` writes."""
    return [str(path) for model in models for path in sorted(Path(folder, model).glob("**/step-*.json"))]


def pictures(folder: str, models: Iterable[str]) -> list[str]:
    """Return the models' figures 15 to 17 below `folder`."""
    return [str(path) for model in models for path in sorted(Path(folder, model).glob("figure_1[567].*"))]


def versions(files: Iterable[str]) -> dict[str, str]:
    """Return file → hash of its content. As a parameter, this makes a job run again when a file changes."""
    return {file: file_digest(Path(file))[:16] for file in files}
