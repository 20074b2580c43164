"""Before the first job on Slurm: cancel jobs of killed runs, and use commands that survive the controller's outages."""

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

# Snakemake's executor gives all jobs of one run the same name: the profile's prefix and a random UUID.
_RUN = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PATIENCE = 60.0  # seconds during which a failed query is repeated


def prepare_slurm(run: str, mark: Path, folder: Path, commands: Path) -> None:
    """Cancel the jobs that killed runs left in `folder`, then put `commands` in front of Slurm's own on the PATH.

    Call this before any job is submitted.

    Args:
        run: The name of this run's jobs, by which other Snakemakes find the `mark`.
        mark: The mark of this Snakemake; see `killed_snakemake`.
        folder: The folder in which Snakemake runs.
        commands: The folder of commands that replace Slurm's.

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
    """Cancel the folder's jobs of killed runs, wait until they have ended, and return their ids.

    The next Snakemake would submit the jobs of a killed one again, while these still run. Jobs continue from the state
    that they have saved, so that little is lost.

    Raises:
        ClusterError: Slurm doesn't answer, or jobs haven't ended after `seconds`.
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
        # The exit status isn't checked, since it is also an error if a job has just ended.
        subprocess.run(["scancel", *left], capture_output=True, check=False, timeout=60)
        time.sleep(1)
        left = leftovers(run, folder)
    return found


def pending_jobs() -> dict[str, str]:
    """Return the user's jobs that wait in Slurm's queue, and why; none if Slurm doesn't answer."""
    query = ("squeue", "--noheader", f"--user={getpass.getuser()}", "--states=PENDING", "--format=%i|%r")
    try:
        listed = subprocess.run(query, capture_output=True, text=True, check=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return {}
    return dict(line.split("|", 1) for line in listed.splitlines())


def leftovers(run: str, folder: Path) -> list[str]:
    """Return the ids of the user's unfinished jobs that killed runs with `run`'s prefix submitted from `folder`."""
    name = re.compile(re.escape(re.sub(f"{_RUN}$", "", run)) + _RUN)
    listed = _call("squeue", "--noheader", f"--user={getpass.getuser()}", "--format=%i|%j|%Z")
    jobs = [line.split("|", 2) for line in listed.splitlines()]
    ours = [(job, of) for job, of, place in jobs if name.fullmatch(of) and Path(place).resolve() == folder.resolve()]
    living = {of for of in {of for _, of in ours} if is_held(_mark(folder, of))}
    return [job for job, of in ours if of not in living]


def _mark(folder: Path, run: str) -> Path:
    return folder / ".snakemake/valuedrift-slurm" / run


def _call(*command: str) -> str:
    """Return the output of a Slurm command, which is repeated for a minute if it fails: controllers have outages."""
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
