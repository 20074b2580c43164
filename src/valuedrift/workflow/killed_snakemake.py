"""Handle leftovers of a killed Snakemake: its lock on the folder, jobs that still run, and incomplete files.

Each Snakemake creates and locks one file, its mark. If no other mark in a folder is locked, then Snakemake's lock files
there belong to a killed Snakemake.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from valuedrift.errors import ArtifactError
from valuedrift.files import DRAFT
from valuedrift.locks import SNAKEMAKE, hold, holders, is_held

_MARKS = "valuedrift"  # the folder of marks in .snakemake
_TOLERANCE = 60.0  # allowed difference, in seconds, between the clocks of machines that share files


def join(folder: Path) -> BinaryIO:
    """Create and lock this Snakemake's mark in a folder (`.snakemake`), and return the file, which must stay open.

    Removes the lock files of a killed Snakemake.
    """
    mark, locks = folder.absolute() / _MARKS / uuid4().hex, folder / "locks"
    handle = hold(mark)
    atexit.register(mark.unlink, missing_ok=True)
    if is_alone(mark) and locks.is_dir() and any(locks.iterdir()):
        print("The Snakemake that locked this folder was killed: removing its stale lock.", file=sys.stderr)
        shutil.rmtree(locks)
        locks.mkdir()
    return handle


def tell_jobs(mark: Path) -> None:
    """Put the mark into the environment of jobs, so that a job can check whether its Snakemake was killed."""
    os.environ[SNAKEMAKE] = f"{socket.gethostname()}:{mark}"


def running_snakemakes(folder: Path = Path(".snakemake")) -> list[Path]:
    """Return the marks of the Snakemakes that are running in the folder above."""
    return [mark for mark in (folder / _MARKS).glob("*") if is_held(mark)]


def is_alone(mark: Path) -> bool:
    """Whether the Snakemake with this mark is the only one that runs in its folder."""
    return not set(running_snakemakes(mark.parents[1])) - {mark}


def require_usable(results: Path) -> None:
    """Raise ArtifactError if results can't be written or the time of a file is in the future.

    Snakemake would remove the files that are made from a file with a time in the future.
    """
    now = time.time()
    for folder, _, names in os.walk(results):
        for file in (Path(folder, name) for name in names):
            with suppress(FileNotFoundError):  # a job of another Snakemake may remove the file
                if (made := file.stat().st_mtime) > now + _TOLERANCE:
                    raise ArtifactError(
                        file,
                        f"made at {datetime.fromtimestamp(made):%Y-%m-%d %H:%M}",
                        f"a time before now, {datetime.fromtimestamp(now):%Y-%m-%d %H:%M}",
                        "Set the clock right; `snakemake --touch --forceall TARGET` then dates what is there anew.",
                    )
    if (results.is_symlink() or results.exists()) and not results.is_dir():
        found = f"a link to {results.readlink()}, which doesn't exist" if results.is_symlink() else "a file"
        raise ArtifactError(results, found, "a folder for results", "Remove it, or make the folder.")
    existing = next(path for path in (results, *results.absolute().parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ArtifactError(existing, "no permission to write", "a folder for results that can be written")


def remove_drafts(results: Path, mark: Path) -> None:
    """Remove the drafts of killed jobs, unless other jobs may still write theirs.

    Other jobs may still write if the Snakemake with this `mark` isn't the only one, or if jobs of a killed one still
    run. The latter jobs are printed.
    """
    if not is_alone(mark):
        return
    orphans = holders(results)
    for orphan in orphans:
        print(f"Still running, though its Snakemake was killed: {orphan}.", file=sys.stderr)
    if orphans:
        print("The jobs that make the same files wait for it, and say so in their logs.", file=sys.stderr)
        return
    for folder, folders, files in os.walk(results):
        for draft in (Path(folder, name) for name in (*folders, *files) if DRAFT.fullmatch(name)):
            with suppress(PermissionError):  # of another user
                shutil.rmtree(draft) if draft.is_dir() else draft.unlink()
