"""A plan as people read it."""

from __future__ import annotations

from collections.abc import Sequence

from valuedrift.config.check import Config
from valuedrift.quantities import byte_size, short_count
from valuedrift.workflow.plan import Cost, Estimate, Plan

_HEAD = ("stage", "jobs", "training tokens", "GPU hours", "CPU hours", "answers", "judge tokens", "dollars", "measured")


def plan_text(plan: Plan, budget: Config) -> str:
    """A table of the stages, then disk, waiting, retraining and the budget."""
    if not plan.stages:
        return "Nothing is left to run."
    rows = [(stage, cost) for stage, cost in plan.stages.items()]
    lines = [_table([_HEAD, *(_row(stage, cost) for stage, cost in (*rows, ("total", plan.total)))])]
    lines.append(f"disk: {byte_size(plan.disk_final)} more in the end, {byte_size(plan.disk_peak)} at most")
    if plan.total.dollars_sync:
        lines.append(
            f"dollars: {plan.total.dollars_sync:,.2f} if asked directly, {plan.total.dollars_batch:,.2f} in batches"
        )
    lines += [
        f"rate limits of {llm}: at least {_hours(hours)} h" for llm, hours in plan.waiting_hours.items() if hours > 0
    ]
    if plan.retrained:
        lines.append(retraining_text(plan.retrained))
    lines += [f"budget.{key}: {value:,g}" for key, value in budget.items()]
    return "\n".join(lines)


def retraining_text(retrained: Sequence[Estimate]) -> str:
    """What would be trained again, and what that takes."""
    lines = ["These trainings are finished and would start again:"]
    for found in sorted(retrained, key=lambda found: found.job.key):
        hours, unit = found.seconds / 3600, "GPU" if found.work.device == "gpu" else "CPU"
        lines.append(f"  {found.job.stage} {found.job.name}: about {_hours(hours)} {unit} hours")
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


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) if number == 0 else cell.rjust(width) for number, (cell, width) in enumerate(cells))
        for cells in (tuple(zip(row, widths, strict=True)) for row in rows)
    )


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}" if hours else ""
