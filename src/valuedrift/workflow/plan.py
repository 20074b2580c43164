"""What a target still takes, before anything runs: jobs, tokens, hours, disk and dollars. See docs/planning.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from valuedrift.config.schema import Budget
from valuedrift.errors import DataError, ValueDriftError
from valuedrift.files import read_json
from valuedrift.llm.cost import BATCH_DISCOUNT, waiting_hours
from valuedrift.workflow.benchmark_files import BENCHMARKS, PREDICTIONS, read_benchmark
from valuedrift.workflow.job_costs import Asked, JobCosts, Work
from valuedrift.workflow.job_graph import Job, job_graph, jobs_to_run
from valuedrift.workflow.job_sizes import Sizes
from valuedrift.workflow.project import Project

Corrections = Mapping[tuple[str, str], float]


class OverBudget(ValueDriftError):
    """The jobs would take more than the configuration's `budget`."""


@dataclass(frozen=True)
class Estimate:
    """A job, what it does, its seconds on all its devices, and whether finished jobs of its stage corrected them."""

    job: Job
    work: Work
    seconds: float
    measured: bool = False

    @property
    def gpu_hours(self) -> float:
        return self.seconds / 3600 if self.work.device == "gpu" else 0.0

    @property
    def cpu_hours(self) -> float:
        return self.seconds / 3600 if self.work.device != "gpu" else 0.0


@dataclass(frozen=True)
class Cost:
    """What several jobs take together.

    Attributes:
        tokens: Trained on.
        gpu_hours: Hours of GPUs, whatever the number of them at a time; likewise cpu_hours.
        judge_tokens: Read and written by judges and writers.
        dollars: By each chat model's own backend.
        dollars_sync: If all requests were sent synchronously; dollars_batch: if all were sent in batches.
        measured_jobs: Jobs whose hours are corrected by finished jobs of their stage.
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

    Attributes:
        stages: The cost of each stage, in the order in which they run.
        disk_final: Bytes that are added in the end.
        disk_peak: Bytes that are added at most, while one training runs at a time.
        waiting_hours: The least time that rate limits leave, by chat model.
        retrained: Jobs that train again what was finished.
    """

    targets: tuple[str, ...]
    stages: dict[str, Cost]
    total: Cost
    disk_final: float
    disk_peak: float
    waiting_hours: dict[str, float]
    retrained: tuple[Estimate, ...]

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON, with a job to retrain as its key and hours."""
        retrained = [
            {"job": job.job.key, "gpu_hours": job.gpu_hours, "cpu_hours": job.cpu_hours} for job in self.retrained
        ]
        return {**asdict(self), "targets": list(self.targets), "retrained": retrained}


def plan_targets(targets: Sequence[str], options: Sequence[str] = ()) -> tuple[Plan, Budget]:
    """Plan what `snakemake OPTIONS TARGETS` would run in this folder; also gives the configuration's budget."""
    with job_graph(targets, options) as workflow:
        project, jobs = Project.read(workflow.config), jobs_to_run(workflow)
    return make_plan(targets, estimate(jobs, Sizes(project))), project.settings.budget


def estimate(jobs: Sequence[Job], sizes: Sizes) -> list[Estimate]:
    """Estimate jobs at the speeds of rates.yaml, corrected by the finished jobs of the results."""
    costs, found = JobCosts(sizes), []
    factors = corrections(costs, {job.key for job in jobs})
    for job in jobs:
        work = costs.work(job)
        own, device = (job.stage, work.device), ("", work.device)
        found.append(Estimate(job, work, work.seconds * factors.get(own, factors.get(device, 1.0)), own in factors))
    return found


def corrections(costs: JobCosts, besides: Collection[str] = ()) -> Corrections:
    """By how much finished jobs took longer than rates.yaml says: medians by (stage, device) and by ("", device).

    Args:
        besides: Keys of jobs to leave out; what is to run again may have been measured under other settings.
    """
    folder, predictions = costs.sizes.folder / BENCHMARKS, costs.sizes.folder / PREDICTIONS
    planned = read_json(predictions) if predictions.is_file() else {}
    ratios: dict[tuple[str, str], list[float]] = defaultdict(list)
    for path in folder.rglob("*.tsv"):
        try:
            done = read_benchmark(path, folder)
            work = costs.work(Job(done.stage, done.key.partition("/")[2]))
        except (KeyError, IndexError, ValueError, DataError):  # of another configuration, or cut off
            continue
        if done.key not in besides:
            devices = planned.get(done.key, {"devices": 1})["devices"]
            ratios[done.stage, work.device].append(done.seconds * devices / work.seconds)
    stages = {key: median(found) for key, found in ratios.items()}
    devices = {device for _, device in stages}
    return stages | {("", device): median(stages[key] for key in stages if key[1] == device) for device in devices}


def make_plan(targets: Sequence[str], estimates: Sequence[Estimate]) -> Plan:
    """Sum estimates by stage and over all."""
    stages: dict[str, list[Estimate]] = defaultdict(list)
    asked: dict[str, list[Asked]] = defaultdict(list)
    for found in estimates:
        stages[found.job.stage].append(found)
        if found.work.asked:
            asked[found.work.asked.name].append(found.work.asked)
    final = sum(found.work.kept for found in estimates)
    return Plan(
        tuple(targets),
        {stage: _cost(members) for stage, members in stages.items()},
        _cost(estimates),
        final,
        final + max((found.work.passing for found in estimates), default=0),
        {llm: _waiting_hours(requests) for llm, requests in asked.items()},
        tuple(found for found in estimates if found.job.retrained),
    )


def require_budget(plan: Plan, budget: Budget) -> None:
    """Compare a plan with the configuration's `budget`.

    Raises:
        OverBudget: It takes more; the message names the keys to raise.
    """
    limits = {key: limit for key, limit in budget if limit is not None}
    over = {key: need for key, limit in limits.items() if (need := getattr(plan.total, key)) > limit}
    if over:
        numbers = "; ".join(
            f"about {need:,.4g} {key.replace('_', ' ')}, and budget.{key} is {limits[key]:,g}"
            for key, need in over.items()
        )
        keys = " and ".join(f"budget.{key}" for key in over)
        raise OverBudget(f"{numbers}. Nothing has been started. Raise {keys} in the configuration to go on.")


def _cost(members: Sequence[Estimate]) -> Cost:
    work = [found.work for found in members]
    asked = [one.asked for one in work if one.asked]
    sync = sum(one.dollars_sync for one in asked)
    return Cost(
        jobs=len(members),
        tokens=sum(one.tokens for one in work),
        gpu_hours=sum(found.gpu_hours for found in members),
        cpu_hours=sum(found.cpu_hours for found in members),
        answers=sum(one.answers for one in work),
        judge_tokens=sum(one.judge_tokens for one in work),
        dollars=sum(one.dollars for one in asked),
        dollars_sync=sync,
        dollars_batch=sync * BATCH_DISCOUNT,
        measured_jobs=sum(found.measured for found in members),
    )


def _waiting_hours(asked: Sequence[Asked]) -> float:
    """The least time that a chat model's limits leave for all requests."""
    tokens = sum(one.input_tokens + one.output_tokens for one in asked)
    return waiting_hours(sum(one.requests for one in asked), tokens, asked[0].llm.model_dump())
