"""What the stages cost: Snakemake's benchmark files, summed by rule family."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from valuedrift.errors import DataError

_NOT_MEASURED = ("", "-", "NA")


@dataclass(frozen=True)
class StageCost:
    """A rule family's wall seconds in all its jobs, and the largest resident memory of one job (MiB) if known."""

    stage: str
    jobs: int
    wall_seconds: float
    peak_mib: float | None


def read_stage_costs(folder: Path | str) -> list[StageCost]:
    """Read every `.tsv` below `folder`; the first folder below it names the stage (a file right there, its stem).

    Snakemake's columns: `s` is wall seconds, `max_rss` MiB, which is `-`, `NA` or `nan` for jobs too short to be
    sampled. Without any file the list is empty. Raises DataError on a file that Snakemake can't have written.
    """
    jobs: dict[str, list[tuple[float, float | None]]] = {}
    for path in sorted(Path(folder).rglob("*.tsv")):
        place = path.relative_to(folder)
        jobs.setdefault(place.parts[0] if len(place.parts) > 1 else place.stem, []).extend(_jobs(path))
    return [_cost(stage, costs) for stage, costs in sorted(jobs.items())]


def read_wall_seconds(path: Path) -> float:
    """The wall seconds of the job that wrote this file; raises DataError without any."""
    for seconds, _ in _jobs(path):
        return seconds
    raise DataError(path, None, "s", "no row", "one job's seconds", "Remove the file and run again.")


def _cost(stage: str, costs: list[tuple[float, float | None]]) -> StageCost:
    peaks = [peak for _, peak in costs if peak is not None]
    wall = round(math.fsum(seconds for seconds, _ in costs), 3)
    return StageCost(stage, len(costs), wall, max(peaks, default=None))


def _jobs(path: Path) -> Iterator[tuple[float, float | None]]:
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file, delimiter="\t"), start=1):
            seconds = _number(path, number, row, "s")
            if seconds is None:
                raise DataError(path, number, "s", row["s"], "the job's wall seconds", "Remove the file and run again.")
            yield seconds, _number(path, number, row, "max_rss")


def _number(path: Path, number: int, row: dict[str, str], field: str) -> float | None:
    text = row.get(field)
    if text is None:
        raise DataError(path, number, field, sorted(map(str, row)), f"a Snakemake benchmark with a column '{field}'")
    if text in _NOT_MEASURED:
        return None
    try:
        value = float(text)
    except ValueError:
        raise DataError(path, number, field, text, "a number, '-' or 'NA'") from None
    return value if math.isfinite(value) else None
