"""What rules hand to jobs, and what of it Snakemake compares with what made a result."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from valuedrift.digests import file_digest


def as_json(value: object, keep_order: bool = False) -> str:
    """JSON whose text depends on the value only, so that a parameter changes when what it says changes.

    Args:
        keep_order: For mappings whose order means something.
    """
    return json.dumps(value, sort_keys=not keep_order, ensure_ascii=False)


def untracked(value: Any) -> Callable[..., Any]:
    """A parameter that Snakemake doesn't compare: a change of it runs nothing again.

    Args:
        value: The parameter, or a function of the wildcards.
    """

    # A parameter of a function with an argument called `output` counts as derived from the outputs, and isn't recorded.
    def parameter(wildcards: Any, output: Any) -> Any:
        return value(wildcards) if callable(value) else value

    return parameter


def untimed(folder: Any) -> Any:
    """An input whose time isn't compared: a folder has no checksum, so a copy of it would look like another content.

    Args:
        folder: A path, several, or a function of the wildcards that gives them.
    """
    from snakemake.io import ancient

    return ancient(folder)


def one_of(names: Iterable[str]) -> str:
    """A wildcard's pattern that matches these names; without any, one that matches nothing."""
    return "|".join(names) or "(?!)"


def option(name: str, files: list[str]) -> str:
    """`--name FILE …` for a shell, or nothing without files."""
    return f"{name} {shlex.join(files)}" if files else ""


def folders(files: Iterable[str]) -> list[str]:
    """The files' folders, each once, in order."""
    return list(dict.fromkeys(str(Path(file).parent) for file in files))


# Optional results: shown where they are present, never built for it.


def measured(folder: str, models: Iterable[str]) -> list[str]:
    """The models' scores below `folder`, as `valuedrift.downstream` writes them."""
    return [str(path) for model in models for path in sorted(Path(folder, model).glob("**/step-*.json"))]


def pictures(folder: str, models: Iterable[str]) -> list[str]:
    """The models' figures 15 to 17 below `folder`."""
    return [str(path) for model in models for path in sorted(Path(folder, model).glob("figure_1[567].*"))]


def versions(files: Iterable[str]) -> dict[str, str]:
    """Each file with a hash of its content: as a parameter, it makes a job run again when one of them changes."""
    return {file: file_digest(Path(file))[:16] for file in files}
