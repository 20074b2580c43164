"""Run the repository's Snakefile in folders of its own, as a user would."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from doubles import forks

from valuedrift import job_server

REPOSITORY = Path(__file__).parents[2]
SHORT = Path(__file__).parent / "short.yaml"
SHARED = Path(__file__).parent / "shared.yaml"
PLANTED = "planted-key-4d1f7a"
"""A secret in the environment of the finished run, that must be in nothing it leaves."""


def written(folder: Path, config: Mapping[str, Any]) -> Path:
    """A file in `folder` with this part of a configuration."""
    path = folder / "overlay.yaml"
    path.write_text(yaml.safe_dump(dict(config)))
    return path


def command(
    folder: Path,
    *targets: str,
    options: tuple[str, ...] = (),
    overlays: tuple[Path, ...] = (SHORT,),
    config: Mapping[str, Any] | None = None,
) -> list[str]:
    """Snakemake on the repository's Snakefile in `folder`, with its configuration, overlays and `config` over those."""
    line = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    line += ["--directory", str(folder), "--configfile", str(REPOSITORY / "workflow_config.yaml")]
    overlays = (*overlays, written(folder, config)) if config else overlays
    return [*line, *map(str, overlays), "--cores", "2", *options, "--", *targets]


def snakemake(
    folder: Path,
    *targets: str,
    fails: bool = False,
    own_server: bool = False,
    environment: Mapping[str, str] | None = None,
    overlays: tuple[Path, ...] = (SHORT,),
    **how: Any,
) -> str:
    """Run `command` to its end.

    Args:
        fails: whether it must fail; otherwise it must succeed.
        own_server: whether its jobs fork from a server of its own; otherwise they fork from one that all runs share.
        how: the other arguments of `command`.

    Returns:
        What it printed, to standard output and then to standard error.
    """
    overlays = overlays if own_server else (*overlays, SHARED)
    variables = {**os.environ, **shared_server(), **(environment or {})}
    variables.pop("PYTEST_CURRENT_TEST", None)
    run = forks.run(command(folder, *targets, overlays=overlays, **how)[2:], REPOSITORY, variables)
    assert (run.returncode != 0) is fails, run.stdout[-4000:] + run.stderr[-8000:]
    return run.stdout + run.stderr


@cache
def shared_server() -> dict[str, str]:
    """Start a job server; give the variable by which jobs find it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(psutil.Process, "children", psutil.Process.children)
        patched.delenv("PYTEST_CURRENT_TEST", raising=False)
        patched.setenv(job_server.SERVER, "")
        job_server.start()
        return {job_server.SERVER: os.environ[job_server.SERVER]}


def planned(folder: Path, *targets: str, **how: Any) -> dict[str, int]:
    """Job counts by rule that a dry run wants; empty when there is nothing to do."""
    return counts(snakemake(folder, *targets, options=("-n",), **how))


def counts(dry_run: str) -> dict[str, int]:
    """The job counts by rule in what a dry run printed."""
    found = dict(re.findall(r"^(\w+) +(\d+)$", dry_run, flags=re.MULTILINE))
    return {rule: int(count) for rule, count in found.items() if rule not in ("total", "all")}
