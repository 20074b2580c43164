"""Read the log that Snakemake writes of a run: its jobs, and how far each of them is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from valuedrift.provenance.benchmark_files import BENCHMARKS, benchmark_key
from valuedrift.workflow.job_name import job_name

LOGS = Path(".snakemake/log")

_TIME = re.compile(r"\[(\w{3} \w{3} [ \d]\d [\d:]{8} \d{4})\]")
_HEADER = re.compile(r"  (Date|Command): (.*)")
_BLOCK = re.compile(r"(?:local)?(?P<kind>rule|checkpoint|Error in rule) (?P<rule>.+):")
_FIELD = re.compile(r"    (output|log|jobid|benchmark|wildcards): (.*)")
_FINISHED = re.compile(r"Finished jobid: (\d+) ")
_SUBMITTED = re.compile(r"Job (\d+) has been submitted with SLURM jobid (\d+)")
_NOTE = re.compile(r" \(.*\)$")  # such as "(check log file(s) for error details)"


@dataclass
class LoggedJob:
    """A job that was started.

    Attributes:
        key: Its path among the benchmark files, `stage/name`; see `job_graph.Job`.
        name: Its name for people.
        log: Its log; None if it has none.
        started: The time at which it was started, or submitted to Slurm.
        ended: The time at which it finished or failed; None if it is running.
        failed: Whether it failed.
        slurm: Its id on Slurm, if it was submitted.
    """

    key: str
    name: str
    log: Path | None
    started: datetime
    ended: datetime | None = None
    failed: bool = False
    slurm: str | None = None


@dataclass
class LoggedRun:
    """One run of Snakemake: its command, the jobs that it has started, and whether it has ended by itself."""

    command: str
    started: datetime
    latest: datetime
    ended: bool = False
    jobs: dict[str, LoggedJob] = field(default_factory=dict)


def read_runs(folder: Path = LOGS) -> Iterator[LoggedRun]:
    """Yield the runs in a folder of Snakemake's logs that started any job, the latest first."""
    for path in sorted(folder.glob("*.snakemake.log"), reverse=True):
        run = read_run(path.read_text(encoding="utf-8", errors="replace"))
        if run.jobs:
            yield run


def read_run(text: str) -> LoggedRun:
    """Read one log. Logs of failed jobs that it quotes are left out, since jobs may have run Snakemake themselves."""
    run, block, fields = LoggedRun("", datetime.min, datetime.min), None, dict[str, str]()
    for line in _own_lines(text):
        if block and (found := _FIELD.match(line)):
            fields[found[1]] = found[2]
            continue
        if block and not line.startswith("    "):
            _note(run, block["kind"], block["rule"], fields)
            block, fields = None, {}
        if found := _BLOCK.fullmatch(line):
            block = found
        elif found := _TIME.fullmatch(line):
            run.latest = datetime.strptime(found[1], "%a %b %d %H:%M:%S %Y")
        elif found := _FINISHED.match(line):
            run.jobs[found[1]].ended = run.latest
        elif found := _SUBMITTED.match(line):
            run.jobs[found[1]].slurm = found[2]
        elif found := _HEADER.fullmatch(line):
            if found[1] == "Date":
                run.started = run.latest = datetime.fromisoformat(found[2])
            else:
                run.command = found[2]
        elif line.startswith("Complete log(s): "):
            run.ended = True
    return run


def _own_lines(text: str) -> Iterator[str]:
    """Yield the lines, without the quoted logs: these stand between two equal lines of equals signs."""
    lines = iter([*text.splitlines(), ""])
    for line in lines:
        yield line
        if line.startswith("Logfile ") and line.endswith(":"):
            rule = next(lines, "")
            while rule and next(lines, rule) != rule:
                pass


def _note(run: LoggedRun, kind: str, rule: str, fields: dict[str, str]) -> None:
    """Add a job that was started, or the failure of one."""
    if kind == "Error in rule":
        if job := run.jobs.get(fields.get("jobid", "")):
            job.ended, job.failed = run.latest, True
        return
    outputs = fields.get("output", "").split(", ")
    wildcards = [pair.partition("=")[2] for pair in fields.get("wildcards", "").split(", ")]
    log = Path(_NOTE.sub("", fields["log"]).split(", ")[0]) if "log" in fields else None
    key = f"{rule}/{rule}"
    if fields.get("benchmark", "").startswith(f"{BENCHMARKS}/"):
        key = benchmark_key(Path(fields["benchmark"]), Path(BENCHMARKS))
    run.jobs[fields["jobid"]] = LoggedJob(key, job_name(rule, filter(None, wildcards), outputs), log, run.latest)
