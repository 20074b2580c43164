"""Write a plan as text."""

from __future__ import annotations

from collections.abc import Sequence

from valuedrift.config.schema import Budget
from valuedrift.provenance.machine import cores, gpus
from valuedrift.quantities import byte_size, duration, short_count
from valuedrift.workflow.plan import Cost, Estimate, Plan

_HEAD = ("stage", "jobs", "training tokens", "GPU time", "CPU time", "answers", "judge tokens", "dollars", "measured")


def plan_text(plan: Plan, budget: Budget) -> str:
    """Return a table of the stages, then lines on time, disk, dollars, waiting, retraining and the budget."""
    if not plan.stages:
        return "Nothing is left to run."
    rows = [_row(stage, cost) for stage, cost in [*plan.stages.items(), ("total", plan.total)]]
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    lines = ["  ".join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])]) for cells in (_HEAD, *rows)]
    lines.append(f"time: about {duration(plan.wall_seconds)} on {_machine(plan.total)}")
    disk = f"disk: {byte_size(plan.disk_final)} more in the end, {byte_size(plan.disk_peak)} at most"
    lack = "" if plan.disk_peak < plan.disk_free else ", which is too little"
    lines.append(f"{disk}; {byte_size(plan.disk_free)} are free{lack}")
    if plan.total.dollars_sync:
        sync, batch = plan.total.dollars_sync, plan.total.dollars_batch
        lines.append(f"dollars: {sync:,.2f} by the synchronous API, {batch:,.2f} in batches")
    limits = plan.waiting_hours.items()
    lines += [f"rate limits of {llm}: at least {duration(3600 * hours)}" for llm, hours in limits if hours > 0]
    if plan.retrained:
        lines.append(retraining_text(plan.retrained))
    lines += [f"budget.{key}: {value:,g}" for key, value in budget if value is not None]
    return "\n".join(lines)


def retraining_text(retrained: Sequence[Estimate]) -> str:
    """Return the list of finished trainings that would run again, with their time."""
    lines = ["These trainings are finished and would start again:"]
    for found in sorted(retrained, key=lambda found: found.job.key):
        lines.append(
            f"  {found.job.stage} {found.job.name}: about {duration(found.seconds)} ({found.work.device.upper()})"
        )
    return "\n".join(lines)


def _row(stage: str, cost: Cost) -> tuple[str, ...]:
    return (
        stage,
        f"{cost.jobs:,}",
        short_count(cost.tokens),
        _time(cost.gpu_hours),
        _time(cost.cpu_hours),
        short_count(cost.answers),
        short_count(cost.judge_tokens),
        f"{cost.dollars:,.2f}" if cost.dollars else "",
        f"{cost.measured_jobs} of {cost.jobs}",
    )


def _time(hours: float) -> str:
    return duration(3600 * hours) if hours else ""


def _machine(total: Cost) -> str:
    processors = f"this machine, which has {cores()} cores"
    if not total.gpu_hours:
        return processors
    return f"{processors} and {gpus()} GPUs" if gpus() else f"{processors}, and one H100, which it lacks"
