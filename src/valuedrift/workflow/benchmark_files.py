"""What finished jobs took, by Snakemake's benchmark files, and what had been predicted for them."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from valuedrift.errors import DataError
from valuedrift.files import read_json

BENCHMARKS = "results/benchmarks"
PREDICTIONS = "results/predictions.json"
_NOT_SAMPLED = ("", "-", "NA")  # memory of jobs that were too short


@dataclass(frozen=True)
class Benchmark:
    """One finished job.

    Attributes:
        key: Its file's path below the folder of benchmarks, without the ending; the first part is the stage.
        seconds: Wall seconds.
        peak_mib: Largest resident memory in MiB, if it was sampled.
    """

    key: str
    seconds: float
    peak_mib: float | None

    @property
    def stage(self) -> str:
        return self.key.partition("/")[0]


@dataclass(frozen=True)
class StageCost:
    """The finished jobs of a stage: wall seconds in sum, and the largest resident memory of one in MiB if known."""

    stage: str
    jobs: int
    wall_seconds: float
    peak_mib: float | None


def read_benchmark(path: Path, folder: Path) -> Benchmark:
    """Read one benchmark file below `folder`.

    Raises:
        DataError: Snakemake can't have written the file.
    """
    with path.open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file, delimiter="\t"), {})
    try:
        seconds, memory = float(row["s"]), row["max_rss"]
        peak = None if memory in _NOT_SAMPLED else float(memory)
    except (KeyError, TypeError, ValueError):
        expected = "a Snakemake benchmark: wall seconds `s` and `max_rss`, MiB or '-'"
        raise DataError(path, 1, "s, max_rss", row, expected, "Remove the file and run again.") from None
    known = peak is not None and math.isfinite(peak)
    return Benchmark(str(path.relative_to(folder).with_suffix("")), seconds, peak if known else None)


def stage_costs(folder: Path) -> list[StageCost]:
    """Sum the benchmark files below a folder by stage, in alphabetical order."""
    stages: dict[str, list[Benchmark]] = defaultdict(list)
    for path in sorted(folder.rglob("*.tsv")):
        job = read_benchmark(path, folder)
        stages[job.stage].append(job)
    return [
        StageCost(
            stage,
            len(jobs),
            round(math.fsum(job.seconds for job in jobs), 3),
            max((job.peak_mib for job in jobs if job.peak_mib is not None), default=None),
        )
        for stage, jobs in sorted(stages.items())
    ]


def predicted_and_measured(folder: Path) -> pl.DataFrame:
    """Sum by stage what was predicted for finished jobs before their run began, and what they took.

    Args:
        folder: The folder of benchmarks; the predictions lie beside it.

    Returns:
        Columns stage, jobs, predicted_seconds and measured_seconds (of all devices), ratio (predicted over measured);
        no rows where nothing was predicted or nothing has finished.
    """
    predictions = folder.with_name(Path(PREDICTIONS).name)
    sums: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for key, expected in (read_json(predictions) if predictions.is_file() else {}).items():
        if (path := folder / f"{key}.tsv").is_file():
            job = read_benchmark(path, folder)
            one = (1, expected["seconds"], job.seconds * expected["devices"])
            sums[job.stage] = [old + new for old, new in zip(sums[job.stage], one, strict=True)]
    rows = [(stage, *found, found[1] / found[2]) for stage, found in sorted(sums.items())]
    kinds = {"stage": pl.String, "jobs": pl.Int64}
    columns = ("stage", "jobs", "predicted_seconds", "measured_seconds", "ratio")
    return pl.DataFrame(rows, schema={name: kinds.get(name, pl.Float64) for name in columns}, orient="row")
