"""Reads of private attributes of Snakemake 9.27 for which its API has no alternative.

All other modules use only names without an underscore: `workflow.dag`, `workflow.persistence`, jobs.
"""

from __future__ import annotations

from typing import Any

VERSION = "9.27"
"""The version for which these functions were written; check them before another one is pinned."""


def workflow_of(api: Any) -> Any:
    """Return the workflow, with its jobs, of the object that `SnakemakeApi.workflow(…)` returns."""
    return api._workflow


def is_cut_off(workflow: Any, job: Any) -> bool:
    """Whether a job was started and didn't end. `persistence.incomplete` checks only outputs that exist."""
    return bool(workflow.persistence._filter_incomplete_keys([str(path) for path in job.output]))


def slurm_run(workflow: Any) -> str:
    """Return the name that Slurm's executor gives to all jobs of this run; `scheduler.get_executor` needs a job."""
    return str(workflow.scheduler._executor.run_uuid)
