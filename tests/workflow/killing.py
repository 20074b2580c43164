"""Run the pipeline while its processes are killed at random, and tell what two runs made."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from pipeline import REPOSITORY

# Kept on the way to results, in whatever order things happened.
_BESIDE = ("journals", "resume", "embeddings", "provenance", "logs", "benchmarks")
_POLL = 0.1
_WITHIN = 6.0  # seconds, which most jobs and Snakemake's start take


def run_killed(command: Sequence[str], kills: int, seed: int, done: Callable[[], float], log: Path) -> tuple[int, int]:
    """Start a command again and again until it ends well, killing one of its processes each time; (kills, starts).

    done: the share of the work that is done. The kills are spread over its first nine tenths, however fast it goes:
    each meets any process that the command has started, itself as likely as the others, some seconds after its turn.
    """
    chance = random.Random(seed)
    turns = [0.9 * (number + chance.random()) / kills for number in range(kills)]
    killed, starts = 0, 0
    with log.open("ab") as output:
        while starts < 5 * kills:
            starts += 1
            main = subprocess.Popen(command, stdout=output, stderr=output, cwd=REPOSITORY)
            while main.poll() is None and killed < kills:
                is_due = done() >= turns[killed]
                with suppress(subprocess.TimeoutExpired):
                    main.wait(chance.uniform(0, _WITHIN) if is_due else _POLL)
                if is_due and main.poll() is None:
                    killed += kill_one(main.pid, chance)
            if main.wait() == 0:
                return killed, starts
    raise AssertionError(f"not at its end after {starts} starts; see {log}")


def kill_one(main: int, chance: random.Random) -> bool:
    """Kill -9 the process or one of its descendants; False where the one that was drawn was gone already."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        process = psutil.Process(main)
        os.kill(chance.choice([process, *process.children(recursive=True)]).pid, 9)
        time.sleep(0.05)
        return True
    return False


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
