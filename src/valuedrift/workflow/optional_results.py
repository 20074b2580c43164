"""What lies in the results without being asked for: tables and figures show it, and no job makes it for them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from valuedrift.config.grid import as_json
from valuedrift.digests import file_digest


def measured(folder: str, models: Iterable[str]) -> list[str]:
    """The models' scores below `folder`, as `valuedrift.downstream` writes them."""
    return [str(path) for model in models for path in sorted(Path(folder, model).glob("**/step-*.json"))]


def pictures(folder: str, models: Iterable[str]) -> list[str]:
    """The models' figures 15 to 17 below `folder`."""
    return [str(path) for model in models for path in sorted(Path(folder, model).glob("figure_1[567].*"))]


def versions(files: Iterable[str]) -> str:
    """The files with a hash of what they hold, for a job to run again when one of them changes."""
    return as_json({file: file_digest(Path(file))[:16] for file in files})


def option(name: str, files: list[str]) -> str:
    """`--name FILE …` for a shell, or nothing without files."""
    return f"{name} {shlex.join(files)}" if files else ""
