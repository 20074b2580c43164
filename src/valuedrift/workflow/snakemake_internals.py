"""The private attributes of Snakemake 9.27 that are read, since its API has nothing in their place.

All other modules use names without an underscore: `workflow.dag`, `workflow.persistence`, jobs.
"""

from __future__ import annotations

from typing import Any

VERSION = "9.27"
"""The version that these functions were written for; check them before another one is pinned."""


def workflow_of(api: Any) -> Any:
    """The workflow, with its jobs, behind what `SnakemakeApi.workflow(…)` returns."""
    return api._workflow


def is_cut_off(workflow: Any, job: Any) -> bool:
    """Whether a job was started and didn't end. `persistence.incomplete` knows only of outputs that exist."""
    return bool(workflow.persistence._filter_incomplete_keys([str(path) for path in job.output]))


def slurm_run(workflow: Any) -> str:
    """The name that Slurm's executor gives to all jobs of this run; `scheduler.get_executor` needs a job."""
    return str(workflow.scheduler._executor.run_uuid)
