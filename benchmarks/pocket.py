"""Time and memory of the pocket run, measured in a temporary folder; the repository's results aren't touched.

    python benchmarks/pocket.py                                    # the whole run, on two cores
    python benchmarks/pocket.py tests/workflow/short.yaml          # a shortened one, to try the benchmark itself

Run both in the activated environment. Prints, as Markdown, wall seconds and peak memory of a run without earlier
results and of a second run with nothing to do, then the jobs that a dry run lists after an edit of the judge.
Peak memory is the largest sum of resident memory over Snakemake and all its descendants at one moment; pages that
processes share count once per process.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

REPOSITORY = Path(__file__).parents[1]
JUDGE_EDIT = {"judges": {"pocket": {"batch_size": 100}}}

_INTERVAL = 0.1
_JOBS = re.compile(r"^(\w+) +(\d+)$", flags=re.MULTILINE)


@dataclass(frozen=True)
class Cost:
    """Wall seconds, and the process tree's largest resident memory (MiB)."""

    seconds: float
    peak_mib: float


def snakemake(folder: Path, overlays: Sequence[Path], *options: str) -> list[str]:
    """The command that runs the workflow in `folder`, on two cores."""
    configuration = [REPOSITORY / "workflow_config.yaml", *overlays]
    command = [sys.executable, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--directory", folder]
    return [*map(str, command), "--cores", "2", *options, "--configfile", *map(str, configuration)]


def measure(command: Sequence[str], log: Path) -> Cost:
    """Run a command to its end with its output in `log`; if it fails, the benchmark ends with the log's last lines."""
    start, peak = time.monotonic(), 0
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        while process.poll() is None:
            peak = max(peak, tree_memory(process.pid))
            time.sleep(_INTERVAL)
    seconds = time.monotonic() - start
    if process.returncode:
        sys.exit(f"{' '.join(command)}\nended with status {process.returncode}:\n{log.read_text()[-4000:]}")
    return Cost(seconds, peak / 2**20)


def tree_memory(pid: int) -> int:
    """Resident bytes of a process and its descendants, without those that end meanwhile."""
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(map(resident, processes))


def resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def wanted(dry_run: str) -> list[tuple[str, int]]:
    """(rule, jobs) that a dry run's output lists, the total last."""
    jobs = {rule: int(count) for rule, count in _JOBS.findall(dry_run)}
    return [*((rule, count) for rule, count in jobs.items() if rule != "total"), ("total", jobs.get("total", 0))]


def after_judge_edit(folder: Path, overlays: Sequence[Path]) -> list[tuple[str, int]]:
    """What an edit of the judge's settings makes run again."""
    edit = folder / "edit.yaml"
    edit.write_text(yaml.safe_dump(JUDGE_EDIT))
    command = snakemake(folder, [*overlays, edit], "--dry-run")
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return wanted(run.stdout + run.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overlays", nargs="*", type=Path, help="configuration files laid over workflow_config.yaml")
    overlays = [path.resolve() for path in parser.parse_args().overlays]
    with tempfile.TemporaryDirectory(prefix="valuedrift-") as name:
        folder = Path(name)
        command = snakemake(folder, overlays)
        print(f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB of memory\n")
        print("| run | wall seconds | peak memory, MiB |\n| --- | ---: | ---: |")
        for title in ("without earlier results", "again, nothing to do"):
            cost = measure(command, folder / "log.txt")
            print(f"| {title} | {cost.seconds:.1f} | {cost.peak_mib:.0f} |", flush=True)
        print("\n| after an edit of the judge | jobs |\n| --- | ---: |")
        for rule, count in after_judge_edit(folder, overlays):
            print(f"| {rule} | {count} |")


if __name__ == "__main__":
    main()
