"""Run the pipeline while its processes are killed at random, and tell what two runs made."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from pipeline import REPOSITORY

# Kept on the way to results, in whatever order things happened.
_BESIDE = ("journals", "resume", "embeddings", "provenance", "logs", "benchmarks")
VICTIMS = ("snakemake", "job", "group")
"""What is killed in turn: Snakemake alone, one process of a job alone, and Snakemake with all jobs."""
_POLL = 0.1
_WITHIN = 6.0  # seconds, which most jobs and Snakemake's start take


def run_killed(
    command: Sequence[str], kills: int, seed: int, done: Callable[[], float], log: Path
) -> tuple[Counter[str], int]:
    """Start a command again and again until it ends well, killing something each time.

    The kills are spread over the first nine tenths of the work, however fast it goes, and come up to some seconds after
    their turn.

    Args:
        done: gives the share of the work that is done.

    Returns:
        How often each of VICTIMS was killed, and how often the command was started.
    """
    chance = random.Random(seed)
    turns = [0.9 * (number + chance.random()) / kills for number in range(kills)]
    killed: Counter[str] = Counter()
    starts = 0
    with log.open("ab") as output:
        while starts < 5 * kills:
            starts += 1
            main = subprocess.Popen(command, stdout=output, stderr=output, cwd=REPOSITORY, start_new_session=True)
            while main.poll() is None and killed.total() < kills:
                is_due = done() >= turns[killed.total()]
                with suppress(subprocess.TimeoutExpired):
                    main.wait(chance.uniform(0, _WITHIN) if is_due else _POLL)
                if is_due and main.poll() is None:
                    killed.update(kill_one(main.pid, VICTIMS[killed.total() % len(VICTIMS)], chance))
            if main.wait() == 0:
                return killed, starts
    raise AssertionError(f"not at its end after {starts} starts; see {log}")


def kill_one(main: int, victim: str, chance: random.Random) -> list[str]:
    """Kill -9 one of VICTIMS, and give its name; nothing where no job runs or the one that was drawn has just ended.

    Args:
        main: the process of Snakemake, which leads a process group.
    """
    with suppress(psutil.NoSuchProcess, ProcessLookupError, IndexError):
        if victim == "group":
            os.killpg(main, signal.SIGKILL)
        else:
            jobs = psutil.Process(main).children(recursive=True)
            os.kill(main if victim == "snakemake" else chance.choice(jobs).pid, signal.SIGKILL)
        time.sleep(0.05)
        return [victim]
    return []


def jobs_done(folder: Path) -> int:
    """How many jobs of a run have ended well, by their benchmarks."""
    return len(list((folder / "results/benchmarks").rglob("*.tsv")))


def made(folder: Path, *endings: str) -> dict[str, str]:
    """SHA-256 of every artifact's files with these endings below `folder/results`."""
    results = folder / "results"
    files = (path for ending in endings for path in results.rglob(f"*{ending}"))
    named = {str(path.relative_to(results)): path for path in files}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in sorted(named.items())
        if not name.startswith(_BESIDE)
    }
