"""Run the repository's Snakefile in folders of its own, as a user would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SHORT = Path(__file__).parent / "short.yaml"
PLANTED = "planted-key-4d1f7a"
"""A secret in the environment of the finished run, that must be in nothing it leaves."""


def command(
    folder: Path, *targets: str, options: tuple[str, ...] = (), overlays: tuple[Path, ...] = (SHORT,)
) -> list[str]:
    """Snakemake on the repository's Snakefile in `folder`, with its configuration and overlays."""
    line = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    line += ["--directory", str(folder), "--configfile", str(REPOSITORY / "workflow_config.yaml")]
    return [*line, *map(str, overlays), "--cores", "2", *options, "--", *targets]


def snakemake(
    folder: Path,
    *targets: str,
    options: tuple[str, ...] = (),
    overlays: tuple[Path, ...] = (SHORT,),
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    line = command(folder, *targets, options=options, overlays=overlays)
    return subprocess.run(
        line, capture_output=True, text=True, check=False, env={**os.environ, **environment}, cwd=REPOSITORY
    )


def wanted(dry_run: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Job counts by rule that a dry run wants; empty when there is nothing to do."""
    assert dry_run.returncode == 0, dry_run.stdout + dry_run.stderr
    counts = dict(re.findall(r"^(\w+) +(\d+)$", dry_run.stdout + dry_run.stderr, flags=re.MULTILINE))
    return {rule: int(count) for rule, count in counts.items() if rule not in ("total", "all")}
