"""Before the first job on Slurm: cancel jobs of killed runs, and use commands that outlast the controller's outages."""

from __future__ import annotations

import atexit
import getpass
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from valuedrift.errors import ClusterError
from valuedrift.locks import is_held

# Snakemake's executor gives all jobs of one run the same name: the profile's prefix and a random number.
_RUN = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PATIENCE = 60.0  # seconds for which a query is repeated


def prepare_slurm(run: str, mark: Path, folder: Path, commands: Path) -> None:
    """Cancel what killed runs left in `folder`, then put `commands` before Slurm's own on the PATH.

    Call it before anything is submitted.

    Args:
        run: the name of the jobs to come, under which other Snakemakes find the `mark` of this one.

    Raises:
        ClusterError: Slurm doesn't answer, or the jobs don't end.
    """
    link = _mark(folder, run)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(mark)
    atexit.register(link.unlink, missing_ok=True)
    cancel_leftovers(run, folder)
    os.environ["PATH"] = f"{commands}{os.pathsep}{os.environ['PATH']}"


def cancel_leftovers(run: str, folder: Path, seconds: float = 180) -> list[str]:
    """Cancel the folder's jobs of killed runs and wait until they have ended; their ids.

    The next Snakemake doesn't know the jobs of a killed one, and would submit them again. Jobs resume from what they
    have saved, so that little is lost.

    Raises:
        ClusterError: Slurm doesn't answer, or jobs are still there after `seconds`.
    """
    found = leftovers(run, folder)
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
        # Its exit status is useless: it is an error too when a job has just ended.
        subprocess.run(["scancel", *left], capture_output=True, check=False, timeout=60)
        time.sleep(1)
        left = leftovers(run, folder)
    return found


def leftovers(run: str, folder: Path) -> list[str]:
    """Ids of the user's unfinished jobs that killed runs with this one's prefix submitted from `folder`."""
    name = re.compile(re.escape(re.sub(f"{_RUN}$", "", run)) + _RUN)
    listed = _call("squeue", "--noheader", f"--user={getpass.getuser()}", "--format=%i|%j|%Z")
    jobs = [line.split("|", 2) for line in listed.splitlines()]
    ours = [(job, of) for job, of, place in jobs if name.fullmatch(of) and Path(place).resolve() == folder.resolve()]
    living = {of for of in {of for _, of in ours} if is_held(_mark(folder, of))}
    return [job for job, of in ours if of not in living]


def _mark(folder: Path, run: str) -> Path:
    return folder / ".snakemake/valuedrift-slurm" / run


def _call(*command: str) -> str:
    """Output of one of Slurm's commands, tried again for a while, because controllers have outages."""
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
