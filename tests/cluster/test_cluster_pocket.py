"""The shortened pocket pipeline through a real Slurm, from nothing to its drifts."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from slurm_cluster import Cluster
from slurm_runs import REPOSITORY, Run

# Stands before the command of every job, and notes the GPUs that it sees.
NOTING = '#!/bin/sh\necho "$1 ${{CUDA_VISIBLE_DEVICES-none}}" >> {notes}\nexec {python} -m valuedrift "$@"\n'
WITH_GPU = {"train", "generate", "judge"}


@pytest.mark.slow
@pytest.mark.workflow
def test_the_pocket_pipeline_runs_through_slurm(start: Callable[..., Run], cluster: Cluster, tmp_path: Path) -> None:
    """Training, answering and judging jobs get a GPU, the others none; nothing is left to do afterwards."""
    command, notes = tmp_path / "bin/valuedrift", tmp_path / "notes"
    command.parent.mkdir()
    command.write_text(NOTING.format(notes=notes, python=sys.executable))
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{cluster.environment['PATH']}"
    short = ("--configfile", str(REPOSITORY / "workflow_config.yaml"), str(REPOSITORY / "tests/workflow/short.yaml"))
    pocket = {"folder": tmp_path / "run", "snakefile": REPOSITORY / "Snakefile", "PATH": path}

    run = start("--jobs", "3", *short, "--", "results/drift/pocket", **pocket)
    run.succeed(3000)
    seen = {tuple(line.split()) for line in notes.read_text().splitlines()}
    assert {name for name, devices in seen if devices != "none"} == WITH_GPU
    assert {name for name, devices in seen if devices == "none"}.isdisjoint(WITH_GPU)
    asked = {(re.sub("^rule_(train_pocket)?.*", r"\1", job["comment"]), job["partition"]) for job in run.jobs()}
    assert ("train_pocket", "gpu") in asked
    assert ("train_pocket", "cpu") not in asked
    assert {job["state"] for job in run.jobs()} == {"COMPLETED"}
    assert pl.read_parquet(tmp_path / "run/results/drift/pocket/drift.parquet").height > 0

    assert "Nothing to be done" in start("-n", *short, "--", "results/drift/pocket", **pocket).succeed()
