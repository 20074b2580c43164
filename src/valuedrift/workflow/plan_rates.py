"""How fast jobs really are: the finished ones' times over what the shipped table gives for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from valuedrift.errors import DataError
from valuedrift.files import read_json
from valuedrift.report.stage_costs import read_wall_seconds
from valuedrift.workflow.plan_jobs import Job
from valuedrift.workflow.plan_sizes import Basis
from valuedrift.workflow.plan_stages import BENCHMARKS, PREDICTIONS
from valuedrift.workflow.plan_work import work_of


@dataclass(frozen=True)
class Measure:
    """One finished job: seconds on all its devices, and over those that the shipped table gives for it."""

    job: Job
    device: str
    seconds: float
    ratio: float


def measure(basis: Basis, besides: Collection[str] = ()) -> list[Measure]:
    """Every finished job that the configuration still has, but those with a key in `besides`.

    What is to run again may have been measured under other settings: leave it out.
    """
    devices = _devices(basis.folder / PREDICTIONS)
    found = []
    folder = basis.folder / BENCHMARKS
    for path in sorted(folder.rglob("*.tsv")):
        stage, _, name = str(path.relative_to(folder).with_suffix("")).partition("/")
        job = Job(stage, name)
        if job.key in besides:
            continue
        try:
            work, wall = work_of(job, basis), read_wall_seconds(path)
        except (KeyError, IndexError, DataError):  # of another configuration, or cut off
            continue
        seconds = wall * devices.get(job.key, 1)
        found.append(Measure(job, work.device, seconds, seconds / work.seconds))
    return found


@dataclass(frozen=True)
class Speeds:
    """By how much jobs take longer than the shipped table says: the nearest measure there is, 1 without any.

    own: by stage and model (or suite, or judge) · stage: by stage and device · device: by device, over all stages, or
    by how much slower this machine is where nothing has run yet
    """

    own: Mapping[tuple[str, str], float]
    stage: Mapping[tuple[str, str], float]
    device: Mapping[str, float]

    def of(self, job: Job, device: str) -> tuple[float, bool]:
        """The factor, and whether it was measured on jobs of the same stage and model."""
        own = self.own.get((job.stage, _owner(job)))
        if own is not None:
            return own, True
        return self.stage.get((job.stage, device), self.device.get(device, 1.0)), False


def speeds(measures: Iterable[Measure], slowness: float = 1.0) -> Speeds:
    """Medians, so that a few jobs beside which the machine was busy don't count.

    slowness: of this machine's CPU, for devices other than GPUs of which nothing has been measured
    """
    own: dict[tuple[str, str], list[float]] = defaultdict(list)
    stage: dict[tuple[str, str], list[float]] = defaultdict(list)
    for found in measures:
        own[found.job.stage, _owner(found.job)].append(found.ratio)
        stage[found.job.stage, found.device].append(found.ratio)
    by_stage = {key: median(ratios) for key, ratios in stage.items()}
    device: dict[str, list[float]] = defaultdict(list)
    for (_, kind), ratio in by_stage.items():
        device[kind].append(ratio)
    return Speeds(
        {key: median(ratios) for key, ratios in own.items()},
        by_stage,
        {"cpu": slowness, "host": slowness, **{kind: median(ratios) for kind, ratios in device.items()}},
    )


def _owner(job: Job) -> str:
    return job.name.partition("/")[0]


def _devices(predictions: Path) -> dict[str, int]:
    """How many devices each job was given when it was planned."""
    if not predictions.is_file():
        return {}
    return {key: int(entry["devices"]) for key, entry in read_json(predictions).items()}
