"""Plans of targets, and what guards a run before its first job."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from valuedrift.config.check import Config
from valuedrift.errors import ValueDriftError
from valuedrift.files import read_json, write_json
from valuedrift.workflow.flow import Workflow
from valuedrift.workflow.machine_speed import slowness
from valuedrift.workflow.plan import Estimate, Plan, estimate, make_plan, require_budget
from valuedrift.workflow.plan_jobs import Job, jobs_to_run, read_jobs
from valuedrift.workflow.plan_rates import measure, speeds
from valuedrift.workflow.plan_sizes import Basis, default_rates
from valuedrift.workflow.plan_stages import PREDICTIONS
from valuedrift.workflow.plan_table import retraining_text


class Retraining(ValueDriftError):
    """A run would train again what was finished, and nobody has said that it may."""


def plan_targets(targets: Sequence[str], options: Sequence[str] = ()) -> tuple[Plan, Config]:
    """What `snakemake OPTIONS TARGETS` would take in this folder, and the configuration that it would read."""
    flow, jobs = read_jobs(targets, options)
    return make_plan(targets, _estimates(flow, jobs), flow.config), flow.config


def guard(workflow: Any, flow: Workflow) -> None:
    """Stop a run that trains again without leave, or that the budget doesn't cover, before its first job is submitted.

    What is expected of each job is kept in results/predictions.json, to be compared with what it then takes.
    Raises Retraining and OverBudget.
    """
    if workflow.touch:
        return
    estimates = _estimates(flow, jobs_to_run(workflow))
    plan = make_plan((), estimates, flow.config)
    if plan.retrained:
        print(retraining_text(plan.retrained), file=sys.stderr, flush=True)
        if flow.config.get("retrain", False) not in (True, "true"):
            raise Retraining(
                f"finished trainings would start again: {len(plan.retrained)}. Nothing has been started. To let them,"
                " add `--config retrain=true` at the end of the command; `valuedrift plan` shows what else would run."
            )
    require_budget(plan, flow.config.get("budget", {}))
    remember(estimates)


def remember(estimates: Sequence[Estimate], predictions: Path = Path(PREDICTIONS)) -> None:
    """Keep what each job is expected to take, beside what was expected of jobs of earlier runs."""
    known = read_json(predictions) if predictions.is_file() else {}
    new = {found.job.key: {"seconds": round(found.seconds, 3), "devices": found.job.gpus} for found in estimates}
    write_json(predictions, {**known, **new})


def _estimates(flow: Workflow, jobs: Sequence[Job]) -> list[Estimate]:
    basis = Basis(flow, default_rates())
    return estimate(jobs, basis, speeds(measure(basis, {job.key for job in jobs}), slowness()))
