"""What is read of Snakemake's insides, since its API doesn't offer it: private attributes of Snakemake 9.27.

Everything else asks what has no underscore: `workflow.dag`, `workflow.persistence`, jobs.
"""

from __future__ import annotations

from typing import Any

VERSION = "9.27"
"""The Snakemake that this was written against; look at these functions again before another is pinned."""


def workflow_of(api: Any) -> Any:
    """The workflow behind `SnakemakeApi.workflow(…)`, which gives no way to its jobs."""
    return api._workflow


def is_cut_off(workflow: Any, job: Any) -> bool:
    """Whether a job was started and not ended. `persistence.incomplete` tells it of outputs that exist alone."""
    return bool(workflow.persistence._filter_incomplete_keys([str(path) for path in job.output]))


def slurm_run(workflow: Any) -> str:
    """The name that Slurm's executor gives to all jobs of this run; `scheduler.get_executor` asks for one of them."""
    return str(workflow.scheduler._executor.run_uuid)
