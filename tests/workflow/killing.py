"""Run the pipeline while its processes are killed at random, and tell what two runs made."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from pipeline import REPOSITORY

# Kept on the way to results, in whatever order things happened.
_BESIDE = ("journals", "resume", "embeddings", "provenance", "logs", "benchmarks")


def run_killed(command: Sequence[str], kills: int, seed: int, pause: float, log: Path) -> tuple[int, int]:
    """Start a command again and again until it ends well, killing one of its processes each time; (kills, starts).

    After every pause, of that many seconds on average, kill -9 meets any process that the command has started, itself
    as likely as the others; after so many kills it is left alone.
    """
    chance = random.Random(seed)
    done, starts = 0, 0
    with log.open("ab") as output:
        while starts < 5 * kills:
            starts += 1
            main = subprocess.Popen(command, stdout=output, stderr=output, cwd=REPOSITORY)
            while main.poll() is None and done < kills:
                with suppress(subprocess.TimeoutExpired):
                    main.wait(chance.uniform(0, 2 * pause))
                done += main.poll() is None and kill_one(main.pid, chance)
            if main.wait() == 0:
                return done, starts
    raise AssertionError(f"not at its end after {starts} starts; see {log}")


def kill_one(main: int, chance: random.Random) -> bool:
    """Kill -9 the process or one of its descendants; False where the one that was drawn was gone already."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        process = psutil.Process(main)
        os.kill(chance.choice([process, *process.children(recursive=True)]).pid, 9)
        time.sleep(0.05)
        return True
    return False


def job_seconds(folder: Path) -> float:
    """Wall seconds of all jobs of a finished run."""
    benchmarks = (folder / "results/benchmarks").rglob("*.tsv")
    return sum(float(path.read_text().splitlines()[1].split("\t")[0]) for path in benchmarks)


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
