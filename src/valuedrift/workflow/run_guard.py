"""Checks before the first job of a run: that no finished training starts again, and that the budget suffices."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from valuedrift.errors import ValueDriftError
from valuedrift.files import read_json, write_json
from valuedrift.provenance.benchmark_files import PREDICTIONS
from valuedrift.workflow.job_graph import jobs_to_run
from valuedrift.workflow.job_sizes import Sizes
from valuedrift.workflow.plan import Estimate, estimate, make_plan, require_budget
from valuedrift.workflow.plan_text import retraining_text
from valuedrift.workflow.project import Project


class Retraining(ValueDriftError):
    """A run would repeat finished trainings without permission."""


def guard(workflow: Any, project: Project) -> None:
    """Stop a run before its first job if it would retrain without permission or exceed the budget.

    Writes each job's estimate into results/predictions.json, to be compared with its measured time.

    Args:
        workflow: Snakemake's workflow with its graph of jobs.
        project: The configuration.

    Raises:
        Retraining: Finished trainings would start again, and `retrain` isn't set.
        OverBudget: The jobs would take more than `budget`.
    """
    if workflow.touch:
        return
    estimates = estimate(jobs_to_run(workflow), Sizes(project))
    plan = make_plan((), estimates)
    if plan.retrained:
        print(retraining_text(plan.retrained), file=sys.stderr, flush=True)
        if project.settings.retrain not in (True, "true"):
            raise Retraining(
                f"Finished trainings would start again: {len(plan.retrained)}. Nothing has been started. To allow this,"
                " add `--config retrain=true` at the end of the command; `valuedrift plan` shows what else would run."
            )
    require_budget(plan, project.settings.budget)
    save_predictions(estimates)


def save_predictions(estimates: Sequence[Estimate], path: Path = Path(PREDICTIONS)) -> None:
    """Add each job's estimate, with the present time, to the predictions of earlier runs."""
    known = read_json(path) if path.is_file() else {}
    common = {"planned": f"{datetime.now():%Y-%m-%d %H:%M:%S}"}
    new = {one.job.key: {**common, "seconds": round(one.seconds, 3), "devices": one.job.gpus} for one in estimates}
    write_json(path, {**known, **new})
