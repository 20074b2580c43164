"""The private attributes that are read exist in the pinned Snakemake."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import snakemake
from snakemake_executor_plugin_slurm import Executor, ExecutorSettings

from valuedrift.workflow.job_graph import job_graph
from valuedrift.workflow.snakemake_internals import VERSION, is_cut_off, slurm_run

RULE = 'rule all:\n    output: "made"\n    shell: "touch {output}"\n'


@pytest.fixture
def workflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A workflow of one job that is to run."""
    monkeypatch.chdir(tmp_path)
    Path("Snakefile").write_text(RULE)
    with job_graph(["made"]) as found:
        yield found


def test_the_pinned_version_is_the_one_that_the_module_was_written_for() -> None:
    assert snakemake.__version__.rpartition(".")[0] == VERSION


def test_a_started_job_that_did_not_end_was_cut_off(workflow: Any) -> None:
    (job,) = workflow.dag.needrun_jobs()
    assert not is_cut_off(workflow, job)
    workflow.persistence.started(job)
    assert is_cut_off(workflow, job)


def test_slurms_executor_names_its_run(workflow: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = object.__new__(Executor)
    executor.logger = logging.getLogger()
    executor.workflow = SimpleNamespace(executor_settings=ExecutorSettings(jobname_prefix="drift"))
    executor.__post_init__(test_mode=True)
    monkeypatch.setattr(workflow.scheduler, "_executor", executor)  # which has to be there
    assert slurm_run(workflow).startswith("drift_")
