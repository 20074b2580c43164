"""Estimate the jobs, tokens, hours, disk and dollars for a target before anything runs. See docs/planning.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from valuedrift.config.schema import Budget
from valuedrift.errors import DataError, ValueDriftError
from valuedrift.files import read_json
from valuedrift.llm.cost import BATCH_DISCOUNT, waiting_hours
from valuedrift.provenance.benchmark_files import BENCHMARKS, PREDICTIONS, benchmark_key, read_benchmark
from valuedrift.provenance.machine import cores, free_bytes, gpus
from valuedrift.workflow.job_costs import JobCosts, Work
from valuedrift.workflow.job_graph import Job, job_graph, jobs_to_run
from valuedrift.workflow.job_sizes import Sizes
from valuedrift.workflow.project import Project

Corrections = Mapping[tuple[str, str], float]


class OverBudget(ValueDriftError):
    """The jobs would take more than the configuration's `budget`."""


class Cost(NamedTuple):
    """The cost of one or several jobs.

    Attributes:
        jobs: Number of jobs.
        tokens: Tokens trained on.
        gpu_hours: Hours summed over GPUs.
        cpu_hours: Hours of jobs that use no GPU.
        answers: Answers sampled.
        judge_tokens: Tokens that judges and writers read and write.
        dollars: Price with each chat model's backend.
        dollars_sync: Price if all requests were sent synchronously.
        dollars_batch: Price if all requests were sent in batches.
        measured_jobs: Number of jobs whose hours are corrected by finished jobs of their stage.
    """

    jobs: float = 0
    tokens: float = 0
    gpu_hours: float = 0
    cpu_hours: float = 0
    answers: float = 0
    judge_tokens: float = 0
    dollars: float = 0
    dollars_sync: float = 0
    dollars_batch: float = 0
    measured_jobs: float = 0


@dataclass(frozen=True)
class Estimate:
    """A job, its work, its seconds summed over devices, and whether finished jobs of its stage corrected them."""

    job: Job
    work: Work
    seconds: float
    measured: bool = False

    @property
    def cost(self) -> Cost:
        work, hours = self.work, self.seconds / 3600
        return Cost(
            jobs=1,
            tokens=work.tokens,
            gpu_hours=hours if work.device == "gpu" else 0,
            cpu_hours=hours if work.device != "gpu" else 0,
            answers=work.answers,
            judge_tokens=work.read + work.written,
            dollars=work.dollars,
            dollars_sync=work.dollars_sync,
            dollars_batch=work.dollars_sync * BATCH_DISCOUNT,
            measured_jobs=self.measured,
        )


@dataclass(frozen=True)
class Plan:
    """The cost of the jobs that have to run for `targets`.

    Attributes:
        targets: The targets.
        stages: Stage → its cost, in the order in which the stages run.
        total: The sum over stages.
        disk_final: Bytes added on disk when all jobs are finished.
        disk_peak: The most bytes added on disk at any time, if one training runs at a time.
        disk_free: Bytes that are free there.
        wall_seconds: Seconds until all jobs are finished on this machine.
        waiting_hours: Chat model → the least hours that its rate limits allow.
        retrained: Trainings that were finished and would run again.
    """

    targets: tuple[str, ...]
    stages: dict[str, Cost]
    total: Cost
    disk_final: float
    disk_peak: float
    disk_free: float
    wall_seconds: float
    waiting_hours: dict[str, float]
    retrained: tuple[Estimate, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as JSON objects. Retrained jobs are given by key and hours."""
        stages = {stage: cost._asdict() for stage, cost in self.stages.items()}
        retrained = [
            {"job": found.job.key, "gpu_hours": found.cost.gpu_hours, "cpu_hours": found.cost.cpu_hours}
            for found in self.retrained
        ]
        return {**vars(self), "stages": stages, "total": self.total._asdict(), "retrained": retrained}


def plan_targets(targets: Sequence[str], options: Sequence[str] = ()) -> tuple[Plan, Budget]:
    """Return the plan of `snakemake OPTIONS TARGETS` in this folder, and the configuration's budget."""
    with job_graph(targets, options) as workflow:
        project, jobs = Project.read(workflow.config), jobs_to_run(workflow)
    return make_plan(targets, estimate(jobs, Sizes(project))), project.settings.budget


def estimate(jobs: Sequence[Job], sizes: Sizes) -> list[Estimate]:
    """Estimate jobs at the speeds of rates.yaml, corrected by the jobs that have finished."""
    costs, found = JobCosts(sizes), []
    factors = corrections(costs, {job.key for job in jobs})
    for job in jobs:
        work = costs.work(job)
        own, device = (job.stage, work.device), ("", work.device)
        found.append(Estimate(job, work, work.seconds * factors.get(own, factors.get(device, 1.0)), own in factors))
    return found


def corrections(costs: JobCosts, besides: Collection[str] = ()) -> Corrections:
    """Return the ratios of measured to estimated seconds of finished jobs: medians by (stage, device) and ("", device).

    Args:
        costs: The estimates at the speeds of rates.yaml.
        besides: Keys of jobs to leave out: jobs that run again may have been measured with other settings.
    """
    folder, predictions = costs.sizes.folder / BENCHMARKS, costs.sizes.folder / PREDICTIONS
    planned = read_json(predictions) if predictions.is_file() else {}
    ratios: dict[tuple[str, str], list[float]] = defaultdict(list)
    for path in folder.rglob("*.tsv"):
        key = benchmark_key(path, folder)
        stage, _, name = key.partition("/")
        try:
            seconds, _ = read_benchmark(path)
            work = costs.work(Job(stage, name))
        except (KeyError, IndexError, ValueError, DataError):  # of another configuration, or cut off
            continue
        if key not in besides:
            devices = planned.get(key, {"devices": 1})["devices"]
            ratios[stage, work.device].append(seconds * devices / work.seconds)
    stages = {key: median(found) for key, found in ratios.items()}
    devices = {device for _, device in stages}
    return stages | {("", device): median(stages[key] for key in stages if key[1] == device) for device in devices}


def make_plan(targets: Sequence[str], estimates: Sequence[Estimate]) -> Plan:
    """Sum estimates by stage and over all stages."""
    asked: dict[str, list[Work]] = defaultdict(list)
    for work in (found.work for found in estimates):
        if work.llm:
            asked[work.llm.name].append(work)
    final = sum(found.work.kept for found in estimates)
    return Plan(
        tuple(targets),
        {stage: sum_costs(estimates, stage) for stage in dict.fromkeys(found.job.stage for found in estimates)},
        sum_costs(estimates),
        final,
        final + max((found.work.passing for found in estimates), default=0),
        free_bytes(),
        wall_seconds(estimates, cores(), max(1, gpus())),
        {name: _waiting_hours(jobs) for name, jobs in asked.items()},
        tuple(found for found in estimates if found.job.retrained),
    )


def wall_seconds(estimates: Sequence[Estimate], cores: int, gpus: int) -> float:
    """Return the seconds until all jobs are finished, each on a core or on its GPUs, started as soon as possible.

    Args:
        estimates: The jobs, each after those that it needs.
        cores: Cores of the machine.
        gpus: GPUs of the machine.
    """
    soonest: dict[str, float] = {}  # job → its end on a machine without limits
    for one in estimates:
        soonest[one.job.key] = one.seconds + max((soonest.get(key, 0) for key in one.job.after), default=0)
    free, ends = {"gpu": [0.0] * gpus, "cpu": [0.0] * cores}, dict[str, float]()
    for one in sorted(estimates, key=lambda one: soonest[one.job.key] - one.seconds):
        devices = free.get(one.work.device, free["cpu"])
        count = min(one.job.gpus, len(devices)) if one.work.device == "gpu" else 1
        devices.sort()
        start = max(devices[count - 1], *(ends.get(key, 0) for key in one.job.after), 0)
        ends[one.job.key] = start + one.seconds / count
        devices[:count] = [ends[one.job.key]] * count
    return max(ends.values(), default=0)


def require_budget(plan: Plan, budget: Budget) -> None:
    """Compare a plan with the configuration's `budget`.

    Raises:
        OverBudget: The plan takes more than the budget; the message names the keys to raise.
    """
    limits = {key: limit for key, limit in budget if limit is not None and getattr(plan.total, key) > limit}
    if limits:
        numbers = "; ".join(
            f"about {getattr(plan.total, key):,.4g} {key.replace('_', ' ')}, and budget.{key} is {limit:,g}"
            for key, limit in limits.items()
        )
        keys = " and ".join(f"budget.{key}" for key in limits)
        raise OverBudget(f"{numbers}. Nothing has been started. Raise {keys} in the configuration to go on.")


def sum_costs(estimates: Sequence[Estimate], stage: str | None = None) -> Cost:
    """Sum the costs of jobs, of one stage if it is given."""
    costs = [found.cost for found in estimates if stage in (None, found.job.stage)]
    return Cost(*map(sum, zip(*costs, strict=True)))


def _waiting_hours(jobs: Sequence[Work]) -> float:
    """Return the least hours that a chat model's limits allow for all requests of these jobs."""
    llm = jobs[0].llm
    tokens = sum(work.read + work.written for work in jobs)
    return waiting_hours(sum(work.requests for work in jobs), tokens, llm.settings if llm else {})
