"""A plan: what the jobs of a target take together, and whether that is within the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from valuedrift.config.check import Config
from valuedrift.errors import ValueDriftError
from valuedrift.llm import cost
from valuedrift.workflow.plan_jobs import Job
from valuedrift.workflow.plan_rates import Speeds
from valuedrift.workflow.plan_sizes import Basis
from valuedrift.workflow.plan_stages import STAGES
from valuedrift.workflow.plan_work import Asked, Work, work_of

_HOUR = 3600.0


class OverBudget(ValueDriftError):
    """The jobs would take more than the configuration's `budget`."""


@dataclass(frozen=True)
class Estimate:
    """A job, what it does, and its seconds on all its devices. measured: by jobs of the same stage and model."""

    job: Job
    work: Work
    seconds: float
    measured: bool


@dataclass(frozen=True)
class Cost:
    """What several jobs take together; hours are those of devices.

    tokens: trained on · judge_tokens: read and written by judges and writers
    dollars: by each chat model's own backend · dollars_sync, dollars_batch: if all were asked directly, or in batches
    """

    jobs: int
    tokens: float
    gpu_hours: float
    cpu_hours: float
    answers: float
    judge_tokens: float
    dollars: float
    dollars_sync: float
    dollars_batch: float
    measured_jobs: int


@dataclass(frozen=True)
class Plan:
    """What is still to run for `targets`.

    stages: cost of each, from the pipeline's first to its last · disk_final, disk_peak: bytes that are added, in the
    end and at most, while one training runs at a time · waiting_hours: what rate limits impose, by chat model
    retrained: jobs that train again what was finished
    """

    targets: tuple[str, ...]
    stages: dict[str, Cost]
    total: Cost
    disk_final: float
    disk_peak: float
    waiting_hours: dict[str, float]
    retrained: tuple[Estimate, ...]

    def as_dict(self) -> dict[str, Any]:
        """The plan for programs: its fields, with a job to retrain as its key and hours."""
        again = [{"job": found.job.key, **_hours(found)} for found in self.retrained]
        return {**asdict(self), "targets": list(self.targets), "retrained": again}


def estimate(jobs: Iterable[Job], basis: Basis, speeds: Speeds) -> list[Estimate]:
    """Each job with what it takes."""
    found = []
    for job in jobs:
        work = work_of(job, basis)
        factor, measured = speeds.of(job, work.device)
        found.append(Estimate(job, work, work.seconds * factor, measured))
    return found


def make_plan(targets: Sequence[str], estimates: Sequence[Estimate], config: Config) -> Plan:
    """Sum estimates by stage and over all."""
    llms = config.get("llms", {})
    stages: dict[str, list[Estimate]] = {}
    for found in sorted(estimates, key=lambda found: (_place(found.job.stage), found.job.key)):
        stages.setdefault(found.job.stage, []).append(found)
    final = sum(found.work.kept for found in estimates)
    asked = [found.work.asked for found in estimates if found.work.asked]
    return Plan(
        tuple(targets),
        {stage: _cost(members, llms) for stage, members in stages.items()},
        _cost(estimates, llms),
        final,
        final + max((found.work.passing for found in estimates), default=0),
        {name: waiting_hours([one for one in asked if one.llm == name], llms[name]) for name in _names(asked)},
        tuple(found for found in estimates if found.job.retrained),
    )


def require_budget(plan: Plan, budget: Config) -> None:
    """Raise OverBudget, naming the keys to raise, where the plan takes more than the configuration's `budget`."""
    needs = {"gpu_hours": plan.total.gpu_hours, "dollars": plan.total.dollars}
    over = [
        f"about {need:,.4g} {key.replace('_', ' ')}, and budget.{key} is {budget[key]:,g}"
        for key, need in needs.items()
        if key in budget and need > budget[key]
    ]
    if over:
        keys = " and ".join(f"budget.{key}" for key, need in needs.items() if key in budget and need > budget[key])
        raise OverBudget(f"{'; '.join(over)}. Nothing has been started. Raise {keys} in the configuration to go on.")


def dollars(asked: Asked, llm: Config) -> float:
    """The price of requests that are sent directly."""
    read, written = llm.get("input_price", 0), llm.get("output_price", 0)
    return float(asked.input_tokens * read + asked.output_tokens * written) / 1e6


def waiting_hours(asked: Sequence[Asked], llm: Config) -> float:
    """The least time that a chat model's limits leave for all requests."""
    requests = sum(one.requests for one in asked)
    return cost.waiting_hours(requests, sum(one.input_tokens + one.output_tokens for one in asked), llm)


def _cost(members: Sequence[Estimate], llms: Config) -> Cost:
    def total(of: Callable[[Estimate], float]) -> float:
        return float(sum(map(of, members)))

    asked = [found.work.asked for found in members if found.work.asked]
    sync = [(dollars(one, llms[one.llm]), llms[one.llm]["backend"] == "batch") for one in asked]
    return Cost(
        jobs=len(members),
        tokens=total(lambda found: found.work.tokens),
        gpu_hours=total(lambda found: _hours(found)["gpu_hours"]),
        cpu_hours=total(lambda found: _hours(found)["cpu_hours"]),
        answers=total(lambda found: found.work.answers),
        judge_tokens=total(lambda found: found.work.judge_tokens),
        dollars=sum(price * (cost.BATCH_DISCOUNT if batch else 1) for price, batch in sync),
        dollars_sync=sum(price for price, _ in sync),
        dollars_batch=sum(price * cost.BATCH_DISCOUNT for price, _ in sync),
        measured_jobs=sum(found.measured for found in members),
    )


def _hours(found: Estimate) -> dict[str, float]:
    on_gpu = found.work.device == "gpu"
    hours = found.seconds / _HOUR
    return {"gpu_hours": hours if on_gpu else 0.0, "cpu_hours": 0.0 if on_gpu else hours}


def _place(stage: str) -> int:
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


def _names(asked: Iterable[Asked]) -> list[str]:
    return list(dict.fromkeys(one.llm for one in asked))
