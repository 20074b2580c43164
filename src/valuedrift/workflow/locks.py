"""What a killed Snakemake leaves behind: its lock on the folder, and jobs that go on without it.

Every Snakemake holds a lock of the kernel's on a file of its own, its mark; it goes with the process however that ends.
Where no other mark of a folder is held, Snakemake's own lock files are a dead one's.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from valuedrift.errors import ArtifactError
from valuedrift.files import DRAFT

OWNER = "VALUEDRIFT_SNAKEMAKE"
"""The environment variable that tells jobs' processes by: process and start of the Snakemake that started them."""

_PROCESSES = Path("/proc")
_PATIENCE = 30.0  # seconds
_TOLERANCE = 60.0  # seconds by which the clocks of machines that share files may differ


def share(folder: Path) -> BinaryIO:
    """Join the Snakemakes of a folder (`.snakemake`) for as long as what this gives, the mark, is open.

    Removes the lock files of one that was killed. Jobs that this process starts are known by it from now on.
    """
    mark, locks = folder.absolute() / "valuedrift" / uuid4().hex, folder / "locks"
    handle = _hold(mark)
    if _is_alone(mark) and locks.is_dir() and any(locks.iterdir()):
        print("The Snakemake that locked this folder was killed; its lock goes.", file=sys.stderr)
        shutil.rmtree(locks)
        locks.mkdir()
    os.environ[OWNER] = f"{os.getpid()}:{_started(os.getpid())}"
    return handle


def _is_alone(mark: Path) -> bool:
    return not any(is_held(other) for other in mark.parent.iterdir() if other != mark)


def is_held(mark: Path) -> bool:
    """Whether a living Snakemake, on this machine or another, has locked its mark. Without locks, it may have."""
    try:
        with mark.open("r+b") as handle:  # NFS lets only writers lock
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _hold(mark: Path) -> BinaryIO:
    """Lock the file until this process ends, however it ends."""
    mark.parent.mkdir(parents=True, exist_ok=True)
    handle = mark.open("wb")
    atexit.register(mark.unlink, missing_ok=True)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:  # Snakemake's own lock files remain, and `snakemake --unlock`
        print(f"Warning: {mark} can't be locked ({error}): what killed runs leave won't be found.", file=sys.stderr)
    return handle


def prepare(results: Path) -> None:
    """Before the first job: end the jobs of killed Snakemakes, and see that results can be written and are of the past.

    Raises ArtifactError where they can't, or aren't: Snakemake removes what is made from a file of the future.
    """
    end_orphans()
    _require_past(results)
    place = next(path for path in (results, *results.absolute().parents) if path.exists())
    if not os.access(place, os.W_OK | os.X_OK):
        raise ArtifactError(
            place, "a place where nothing can be written", "a folder for results that can be written to"
        )


def remove_drafts(results: Path, mark: Path) -> None:
    """Remove what killed jobs had begun to write; not while another Snakemake lives here, whose jobs may be writing.

    mark: of this Snakemake
    """
    if not _is_alone(mark):
        return
    for folder, folders, files in os.walk(results):
        for draft in (Path(folder, name) for name in (*folders, *files) if DRAFT.fullmatch(name)):
            shutil.rmtree(draft) if draft.is_dir() else draft.unlink()


def _require_past(results: Path) -> None:
    now = time.time()
    for folder, _, names in os.walk(results):
        for file in (Path(folder, name) for name in names):
            with suppress(FileNotFoundError):  # a job's of another Snakemake
                if (made := file.stat().st_mtime) > now + _TOLERANCE:
                    raise ArtifactError(
                        file,
                        f"made at {datetime.fromtimestamp(made):%Y-%m-%d %H:%M}",
                        f"a time before now, {datetime.fromtimestamp(now):%Y-%m-%d %H:%M}",
                        "Set the clock right; `snakemake --touch --forceall TARGET` then dates what is there anew.",
                    )


def end_orphans() -> None:
    """Kill jobs in the working directory whose Snakemake is dead, and wait until they are gone.

    They hold journals and write to the places of the jobs that are about to start; what they had done is kept as
    after any kill. Jobs of a batch system are its own.
    """
    orphans = list(_orphans())
    for process in orphans:
        print(f"Process {process} is a job whose Snakemake was killed; it is ended.", file=sys.stderr)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    until = time.monotonic() + _PATIENCE
    while any(_started(process) for process in orphans) and time.monotonic() < until:
        time.sleep(0.05)


def _orphans() -> Iterator[int]:
    for folder in _PROCESSES.glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            here = (folder / "cwd").readlink() == Path.cwd()
        except OSError:  # another user's, or gone
            continue
        values = dict(entry.partition(b"=")[::2] for entry in environment.split(b"\0"))
        owner = values.get(OWNER.encode(), b"").decode("ascii", "replace")
        if here and owner and b"SLURM_JOB_ID" not in values and not _is_alive(owner):
            yield int(folder.name)


def _is_alive(owner: str) -> bool:
    process, _, started = owner.partition(":")
    return process.isdigit() and _started(int(process)) == started


def _started(process: int) -> str:
    """When a process started, in the kernel's ticks; empty for one that is gone, or dead and not yet waited for."""
    try:
        fields = (_PROCESSES / str(process) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
    except OSError:
        return ""
    state, *rest = fields.split()
    return "" if state in "ZX" else rest[18]
