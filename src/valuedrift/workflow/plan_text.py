"""Write a plan as text."""

from __future__ import annotations

from collections.abc import Sequence

from valuedrift.config.schema import Budget
from valuedrift.quantities import byte_size, short_count
from valuedrift.workflow.plan import Cost, Estimate, Plan

_HEAD = ("stage", "jobs", "training tokens", "GPU hours", "CPU hours", "answers", "judge tokens", "dollars", "measured")


def plan_text(plan: Plan, budget: Budget) -> str:
    """Return a table of the stages, then lines on disk, dollars, waiting, retraining and the budget."""
    if not plan.stages:
        return "Nothing is left to run."
    rows = [_row(stage, cost) for stage, cost in [*plan.stages.items(), ("total", plan.total)]]
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    lines = ["  ".join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])]) for cells in (_HEAD, *rows)]
    lines.append(f"disk: {byte_size(plan.disk_final)} more in the end, {byte_size(plan.disk_peak)} at most")
    if plan.total.dollars_sync:
        sync, batch = plan.total.dollars_sync, plan.total.dollars_batch
        lines.append(f"dollars: {sync:,.2f} by the synchronous API, {batch:,.2f} in batches")
    limits = plan.waiting_hours.items()
    lines += [f"rate limits of {llm}: at least {_hours(hours)} h" for llm, hours in limits if hours > 0]
    if plan.retrained:
        lines.append(retraining_text(plan.retrained))
    lines += [f"budget.{key}: {value:,g}" for key, value in budget if value is not None]
    return "\n".join(lines)


def retraining_text(retrained: Sequence[Estimate]) -> str:
    """Return the list of finished trainings that would run again, with their hours."""
    lines = ["These trainings are finished and would start again:"]
    for found in sorted(retrained, key=lambda found: found.job.key):
        hours = f"{_hours(found.seconds / 3600)} {found.work.device.upper()} hours"
        lines.append(f"  {found.job.stage} {found.job.name}: about {hours}")
    return "\n".join(lines)


def _row(stage: str, cost: Cost) -> tuple[str, ...]:
    return (
        stage,
        f"{cost.jobs:,}",
        short_count(cost.tokens),
        _hours(cost.gpu_hours),
        _hours(cost.cpu_hours),
        short_count(cost.answers),
        short_count(cost.judge_tokens),
        f"{cost.dollars:,.2f}" if cost.dollars else "",
        f"{cost.measured_jobs} of {cost.jobs}",
    )


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}" if hours else ""
