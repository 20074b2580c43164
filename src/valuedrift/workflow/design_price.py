"""The price of a design: what training, answering and judging would take at the plan's rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from valuedrift.statistics.design import Design, Variances
from valuedrift.workflow.job_graph import Job, job_graph
from valuedrift.workflow.job_sizes import Sizes
from valuedrift.workflow.plan import Cost, estimate, sum_costs
from valuedrift.workflow.project import Project


class Prices:
    """The costs of a model's runs as configured, and of other designs for them.

    Attributes:
        checkpoints: Number of checkpoints that answer.
        topics: Number of topics.
    """

    def __init__(self, project: Project, name: str) -> None:
        model, sizes = project.models[name], Sizes(project)
        runs = model.answered
        shards = [f"{name}/{run}/shard-{place}" for run in runs for place in range(len(model.shards(run)))]
        asked = [*(Job("generate", one) for one in shards), *(Job("stances", f"{name}/{run}") for run in runs)]
        self.checkpoints, self.topics = sum(len(model.steps(run)) for run in runs), len(project.settings.topics)
        self._training = sum_costs(
            estimate([Job(run.algorithm, f"{name}/{run.lineage}") for run in model.traced if not run.found], sizes)
        )
        self._asking = sum_costs(estimate(asked, sizes))

    def of(self, design: Design) -> Cost:
        """Return the cost of all seeds: training, and answers with their stances."""
        answers = self.topics * design.questions * design.answers * self.checkpoints
        more = answers / self._asking.answers
        each = (one + more * other for one, other in zip(self._training, self._asking, strict=True))
        return Cost(*(design.seeds * one for one in each))


def prices(model: str, options: Sequence[str]) -> Prices:
    """Read the project in this folder. Raises ValueDriftError if it has no such model."""
    with job_graph([f"results/statistics/{model}/drift.parquet"], options) as workflow:
        return Prices(Project.read(workflow.config), model)


def priced(design: Design, rates: Prices | None, best: bool) -> dict[str, Any]:
    """Return a design as a JSON object, with its costs if rates are known; `best`: it has k* answers per question."""
    row: dict[str, Any] = {**asdict(design), "best": best}
    if rates:
        cost = rates.of(design)
        row |= {key: getattr(cost, key) for key in ("answers", "gpu_hours", "cpu_hours", "dollars")}
        row |= {"answers": design.answers, "all_answers": cost.answers}
    return row


def design_text(variances: Variances, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the designs as a table, under the variances that they follow from."""
    head = {"questions": "questions", "answers": "answers", "seeds": "seeds", "power": "power"}
    head |= {"all_answers": "all answers", "gpu_hours": "GPU hours", "cpu_hours": "CPU hours", "dollars": "dollars"}
    known = ", ".join(f"{name} {value:.3g}" for name, value in asdict(variances).items())
    lines = [f"variances: {known}"]
    if not rows:
        return f"{lines[0]}\nNo design reaches the power: the drift is too small."
    keys = [key for key in head if key in rows[0]]
    cells = [[head[key] for key in keys], *([f"{row[key]:,.4g}" for key in keys] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    marks = ["", *("  <- k* answers per question" if row["best"] else "" for row in rows)]
    shown = ("  ".join(map(str.rjust, line, widths)) + mark for line, mark in zip(cells, marks, strict=True))
    return "\n".join([*lines, *shown])
