"""Time and memory of the pocket run, measured in a temporary folder; the repository's results aren't touched.

    python benchmarks/pocket.py                                    # the whole run, on two cores
    python benchmarks/pocket.py tests/workflow/short.yaml          # a shortened one, to try the benchmark itself
    python benchmarks/pocket.py --against ../older                 # this checkout and another one, in turn

Run them in the activated environment. The first two print, as Markdown, wall seconds, CPU seconds and peak memory of a
run without earlier results and of a second run with nothing to do, then the jobs that a dry run lists after an edit of
the judge. The last one prints CPU and wall seconds of three runs of each checkout, in turn, and the ratio of their
medians. CPU seconds are user and system time of Snakemake and all its descendants. Peak memory is the largest sum over
Snakemake and all its descendants at one moment; pages that processes share are divided among them.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
import yaml

REPOSITORY = Path(__file__).parents[1]
JUDGE_EDIT = {"judges": {"pocket": {"batch_size": 100}}}

_INTERVAL = 0.1
_JOBS = re.compile(r"^(\w+) +(\d+)$", flags=re.MULTILINE)


@dataclass(frozen=True)
class Cost:
    """Wall and CPU seconds, and the process tree's largest memory (MiB)."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


def snakemake(folder: Path, overlays: Sequence[Path], *options: str, checkout: Path = REPOSITORY) -> list[str]:
    """The command that runs a checkout's workflow in `folder`, on two cores."""
    configuration = [checkout / "workflow_config.yaml", *overlays]
    command = ["env", f"PYTHONPATH={checkout / 'src'}", sys.executable, "-m", "snakemake"]
    command += ["--snakefile", checkout / "Snakefile", "--directory", folder]
    return [*map(str, command), "--cores", "2", *options, "--configfile", *map(str, configuration)]


def measure(command: Sequence[str], log: Path) -> Cost:
    """Run a command to its end with its output in `log`; if it fails, the benchmark ends with the log's last lines."""
    start, cpu, peak = time.monotonic(), cpu_seconds(), 0
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        while process.poll() is None:
            peak = max(peak, tree_memory(process.pid))
            time.sleep(_INTERVAL)
    seconds = time.monotonic() - start
    if process.returncode:
        sys.exit(f"{' '.join(command)}\nended with status {process.returncode}:\n{log.read_text()[-4000:]}")
    return Cost(seconds, cpu_seconds() - cpu, peak / 2**20)


def cpu_seconds() -> float:
    """User and system seconds of all descendants that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tree_memory(pid: int) -> int:
    """Bytes of memory of a process and its descendants, without those that end meanwhile."""
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(map(own_memory, processes))


def own_memory(process: psutil.Process) -> int:
    """Bytes of a process, with its share of what it shares with others."""
    try:
        return int(process.memory_full_info().pss)
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


def compare(other: Path, overlays: Sequence[Path], runs: int) -> None:
    """Run this and another checkout in turn, and print CPU and wall seconds of each run and the medians' ratios."""
    costs: dict[Path, list[Cost]] = {other: [], REPOSITORY: []}
    print("| checkout | CPU seconds | wall seconds |\n| --- | ---: | ---: |")
    for checkout in (*costs,) * runs:
        with tempfile.TemporaryDirectory(prefix="valuedrift-") as name:
            command = snakemake(Path(name), overlays, checkout=checkout)
            costs[checkout].append(cost := measure(command, Path(name, "log.txt")))
        print(f"| {checkout.name} | {cost.cpu_seconds:.1f} | {cost.seconds:.1f} |", flush=True)
    cpu, wall = (
        median(vars(cost)[name] for cost in costs[REPOSITORY]) / median(vars(cost)[name] for cost in costs[other])
        for name in ("cpu_seconds", "seconds")
    )
    print(f"| medians, {REPOSITORY.name} / {other.name} | {cpu:.2f} | {wall:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overlays", nargs="*", type=Path, help="configuration files laid over workflow_config.yaml")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout, to compare this one with")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="runs of each checkout (default 3)")
    options = parser.parse_args()
    overlays = [path.resolve() for path in options.overlays]
    if options.against:
        compare(options.against.resolve(), overlays, options.runs)
        return
    with tempfile.TemporaryDirectory(prefix="valuedrift-") as name:
        folder = Path(name)
        command = snakemake(folder, overlays)
        print(f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB of memory\n")
        print("| run | wall seconds | CPU seconds | peak memory, MiB |\n| --- | ---: | ---: | ---: |")
        for title in ("without earlier results", "again, nothing to do"):
            cost = measure(command, folder / "log.txt")
            print(f"| {title} | {cost.seconds:.1f} | {cost.cpu_seconds:.1f} | {cost.peak_mib:.0f} |", flush=True)
        print("\n| after an edit of the judge | jobs |\n| --- | ---: |")
        for rule, count in after_judge_edit(folder, overlays):
            print(f"| {rule} | {count} |")


if __name__ == "__main__":
    main()
