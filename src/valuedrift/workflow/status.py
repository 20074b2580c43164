"""How far a run of Snakemake is, by its log, the logs of its jobs, and the plan that was made at its start."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from valuedrift.config.grid import RESULTS
from valuedrift.files import read_json
from valuedrift.provenance.benchmark_files import PREDICTIONS
from valuedrift.provenance.machine import free_bytes
from valuedrift.quantities import byte_size, duration
from valuedrift.visible_text import visible
from valuedrift.workflow.killed_snakemake import running_snakemakes
from valuedrift.workflow.slurm import pending_jobs
from valuedrift.workflow.snakemake_log import LoggedJob, LoggedRun, read_runs

State = Literal["done", "running", "waiting", "failed"]
STATES: tuple[State, ...] = ("done", "running", "waiting", "failed")
_TAIL = 4096  # bytes of a log in which its last line is


@dataclass(frozen=True)
class Status:
    """A run of Snakemake, or what is known of one that has ended.

    Attributes:
        run: The run, with the jobs that it has started.
        running: Whether its Snakemake is running.
        elapsed: Seconds since its start, until now or its end.
        left: About how many seconds are left; None if it isn't running or that isn't known.
        stages: Stage → the number of its jobs in each state.
        queued: Job → why it waits in Slurm's queue.
    """

    run: LoggedRun
    running: bool
    elapsed: float
    left: float | None
    stages: dict[str, Counter[State]]
    queued: dict[str, str]


def read_statuses() -> list[Status]:
    """Return the runs that are running in this folder, the latest first; if there are none, the last one, if any."""
    count = len(running_snakemakes())
    runs = list(islice(read_runs(), max(1, count)))
    planned = read_json(PREDICTIONS) if Path(PREDICTIONS).is_file() else {}
    living = [run for run in runs if count and not run.ended]
    return [_status(run, bool(living), planned, datetime.now()) for run in living or runs[:1]]


def status_text(status: Status, width: int = 120) -> str:
    """Return a status as lines of at most `width` characters."""
    jobs = status.run.jobs.values()
    rows = [(stage, *(f"{counts[state] or ''}" for state in STATES)) for stage, counts in status.stages.items()]
    total = sum(status.stages.values(), Counter[State]())
    rows = [("stage", *STATES), *rows, ("total", *(f"{total[state]}" for state in STATES))]
    size = max(len(row[0]) for row in rows)
    lines = [_headline(status), ""]
    lines += [f"{stage:<{size}}" + "".join(f"{cell:>9}" for cell in cells) for stage, *cells in rows]
    if running := [job for job in jobs if job.ended is None]:
        size = max(len(job.name) for job in running)
        lines += ["", "running:" if status.running else "cut off:"]
        lines += [f"  {job.name:<{size}}  {_progress(job, status)}" for job in running]
    if failed := [job for job in jobs if job.failed]:
        lines += ["", "failed:", *(f"  {job.name}: see {job.log or 'the log of Snakemake'}" for job in failed)]
    lines += ["", f"disk: {RESULTS} takes {byte_size(_size(Path(RESULTS)))}, {byte_size(free_bytes())} are free"]
    return "\n".join(line[:width] for line in lines)


def _status(run: LoggedRun, running: bool, planned: Mapping[str, Any], now: datetime) -> Status:
    started = {job.key: job for job in run.jobs.values() if job.log}  # without targets, which are no work
    open_ids = {job.slurm: job.key for job in started.values() if job.slurm and job.ended is None}
    pending = pending_jobs() if running and open_ids else {}
    queued = {key: pending[slurm] for slurm, key in open_ids.items() if slurm in pending}
    ours = _planned_for(run, planned)
    stages: dict[str, Counter[State]] = defaultdict(Counter)
    for key in dict.fromkeys((*started, *ours)):
        stages[key.partition("/")[0]][_state(started.get(key), key in queued)] += 1
    elapsed = ((now if running else run.latest) - run.started).total_seconds()
    left = _left(ours, [started[key] for key in started if key not in queued], elapsed, now) if running else None
    return Status(run, running, elapsed, left, dict(stages), queued)


def _planned_for(run: LoggedRun, planned: Mapping[str, Any]) -> dict[str, float]:
    """Return job → planned seconds of a run: its plan is the first since its start."""
    times = {key: entry.get("planned", "") for key, entry in planned.items()}
    ours = min((time for time in times.values() if time >= str(run.started)), default=None)
    return {key: planned[key]["seconds"] for key, time in times.items() if time == ours}


def _state(job: LoggedJob | None, queued: bool) -> State:
    if job is None or queued:
        return "waiting"
    return "failed" if job.failed else "done" if job.ended else "running"


def _left(planned: Mapping[str, float], started: Sequence[LoggedJob], elapsed: float, now: datetime) -> float | None:
    """Return the seconds left, if the rest is done at the pace so far; None without a plan or a pace."""
    done = 0.0
    for job in started:
        expected = planned.get(job.key, 0)
        done += expected if job.ended else min(0.9 * expected, (now - job.started).total_seconds())
    return elapsed * (sum(planned.values()) - done) / done if done else None


def _headline(status: Status) -> str:
    program, _, words = status.run.command.partition(" ")
    state = "running for" if status.running else "ended after" if status.run.ended else "killed after"
    rest = "" if status.left is None else f", about {duration(status.left)} left"
    return f"{state} {duration(status.elapsed)}{rest}: {Path(program).name} {words}"


def _progress(job: LoggedJob, status: Status) -> str:
    """Return for how long a job has been running, and the last line of its log; or why it waits in the queue."""
    if job.key in status.queued:
        return f"in Slurm's queue: {status.queued[job.key]}"
    seconds = status.elapsed - (job.started - status.run.started).total_seconds()
    return f"{duration(seconds):>12}  {_last_line(job.log)}"


def _last_line(log: Path | None) -> str:
    """Return the last line of a log; of a progress bar, which is written over itself, the last state."""
    with suppress(OSError):
        if log:
            with log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                lines = [line.strip() for line in re.split(r"[\r\n]", file.read().decode(errors="replace"))]
            return visible(next(filter(None, reversed(lines)), ""))
    return ""


def _size(folder: Path) -> int:
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # a job may remove it
                size += Path(place, name).lstat().st_size
    return size
