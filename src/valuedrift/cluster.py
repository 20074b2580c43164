"""What a run on Slurm needs before its first job: a clean field, and commands that outlast the controller's outages."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from valuedrift.errors import ClusterError

# Snakemake's executor names all jobs of one run alike: after the profile's prefix and a random number.
_RUN = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PATIENCE = 60.0  # seconds for which a controller that doesn't answer is asked again


def prepare_slurm(prefix: str, folder: Path, commands: Path) -> None:
    """Cancel what an earlier run left in `folder`, then put `commands` before Slurm's own on the PATH.

    To be called by a Snakemake that holds the folder's lock, before it submits anything. Raises ClusterError.
    """
    cancel_leftovers(prefix, folder)
    os.environ["PATH"] = f"{commands}{os.pathsep}{os.environ['PATH']}"


def cancel_leftovers(prefix: str, folder: Path, seconds: float = 180) -> list[str]:
    """Cancel the folder's jobs of earlier runs and wait until they have ended; their ids.

    A Snakemake that was killed leaves its jobs behind, and the next one doesn't know them: both would write the same
    files. Jobs resume from what they have saved, so that little is lost. Raises ClusterError where Slurm doesn't answer
    or jobs are still there after `seconds`.
    """
    found = leftovers(prefix, folder)
    if not found:
        return []
    print(f"Cancelling jobs that an earlier run left in this folder: {' '.join(found)}", file=sys.stderr)
    end, left = time.monotonic() + seconds, found
    while left:
        if time.monotonic() > end:
            raise ClusterError(
                f"jobs {' '.join(left)}",
                f"still there {seconds:.0f} s after scancel",
                "them to end",
                "Try again later.",
            )
        # Its status says nothing: a job that has just ended is an error to it.
        subprocess.run(["scancel", *left], capture_output=True, check=False, timeout=60)
        time.sleep(1)
        left = leftovers(prefix, folder)
    return found


def leftovers(prefix: str, folder: Path) -> list[str]:
    """Ids of the user's pending, running or ending jobs that a Snakemake with this prefix submitted from `folder`."""
    name = re.compile(f"{re.escape(prefix)}_{_RUN}" if prefix else _RUN)
    listed = _call("squeue", "--noheader", f"--user={getpass.getuser()}", "--format=%i|%j|%Z")
    jobs = [line.split("|", 2) for line in listed.splitlines()]
    return [job for job, run, place in jobs if name.fullmatch(run) and Path(place).resolve() == folder.resolve()]


def _call(*command: str) -> str:
    """Output of a command of Slurm's; tried again for a while, because controllers have outages."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            said, status = done.stderr.strip(), done.returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            said, status = str(error), 1
        if status == 0:
            return done.stdout
        if time.monotonic() > end:
            raise ClusterError(command[0], said, "an answer of Slurm's controller", "Start again when Slurm answers.")
        time.sleep(2)
