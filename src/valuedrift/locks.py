"""Exclusive kernel locks (flock), which end with the process that holds them, however it ends.

A job holds one on its output, so that a job whose Snakemake was killed and the one that the next Snakemake starts don't
write at the same time. Locks lie in `.locks`, in the folder of results, under a digest of what they are for.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from valuedrift.errors import ArtifactError, ValueDriftError

FOLDER = ".locks"
SNAKEMAKE = "VALUEDRIFT_SNAKEMAKE"
"""The environment variable that tells jobs which Snakemake started them: its host, `:`, and a file it has locked."""

_POLL = 0.5  # seconds
_REMIND = 300.0  # seconds
_handles: set[BinaryIO | None] = set()  # of the locks that this process holds


@contextmanager
def job_lock(output: Path | str) -> Iterator[None]:
    """Hold the lock of a job's output. Every command that writes results runs in it.

    Raises:
        ValueDriftError: the Snakemake that started this process on this machine died before the process had the lock;
            a job of the next Snakemake may have made the output by now.
    """
    with exclusive(output):
        host, _, mark = os.environ.get(SNAKEMAKE, "").partition(":")
        if mark and host == socket.gethostname() and not is_held(Path(mark)):
            raise ValueDriftError(f"{output}: not made, since the Snakemake that started this job has ended.")
        yield


@contextmanager
def exclusive(path: Path | str) -> Iterator[None]:
    """Hold the lock of `path`, a file or folder that need not exist; wait for it, naming the process that holds it.

    Of a run on several devices only the main process takes it. Where the file system has no locks, a warning says so
    once, and work goes on.

    Raises:
        ArtifactError: this process holds the lock already.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    file = _lock_file(Path(path))
    with _acquire(file, path) or nullcontext() as handle:
        _handles.add(handle)
        try:
            yield
        finally:  # while the lock is held: a process that waits for it then finds the file gone, and makes another
            _handles.discard(handle)
            with suppress(OSError):
                file.unlink()
                file.parent.rmdir()


def is_held(file: Path) -> bool:
    """Whether a living process, on this machine or another, has locked this file. Without locks, it may have."""
    try:
        with file.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def hold(file: Path) -> BinaryIO:
    """Make and lock a file of this process's own, until what this gives is closed or the process ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = file.open("wb")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        _warn(file.parent, str(error))
    return handle


def holders(folder: Path) -> list[str]:
    """Who holds the locks in a folder of results, in words; removes the lock files of dead processes."""
    found = []
    for file in sorted((folder / FOLDER).glob("*")):
        if is_held(file):
            found.append(_in_words(_read(file)))
        else:
            file.unlink(missing_ok=True)
    return found


def _lock_file(path: Path) -> Path:
    """In the working directory's results, or else beside the path."""
    path, results = path.absolute(), Path("results").absolute()
    folder = results if results in path.parents else path.parent
    digest = hashlib.sha256(path.relative_to(folder).as_posix().encode()).hexdigest()
    return folder / FOLDER / digest[:32]


def _acquire(file: Path, path: Path | str) -> BinaryIO | None:
    """Wait until the file is locked; None where it can't be made."""
    told = float("-inf")
    while True:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handle = file.open("a+b")
        except FileNotFoundError:  # another process has just removed the empty folder
            continue
        except OSError as error:
            _warn(file.parent, str(error))
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            told = _tell(_read(file), path, told)
            time.sleep(_POLL)
            continue
        except OSError as error:
            _warn(file.parent, str(error))
            return handle
        if _is_at(handle, file):
            _write_holder(handle, path)
            return handle
        handle.close()


def _is_at(handle: BinaryIO, file: Path) -> bool:
    """Whether an open file is still the one at this path, which its former holder may have removed."""
    try:
        return os.path.samestat(file.stat(), os.fstat(handle.fileno()))
    except FileNotFoundError:
        return False


def _write_holder(handle: BinaryIO, path: Path | str) -> None:
    holder = {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "command": sys.argv,
        "path": str(path),
        "started": f"{datetime.now():%Y-%m-%d %H:%M}",
    }
    with suppress(OSError):  # on a full disk the lock holds, without a name
        handle.truncate(0)
        handle.write(json.dumps(holder).encode())
        handle.flush()


def _read(file: Path) -> dict[str, Any]:
    try:
        holder: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return holder


def _tell(holder: dict[str, Any], path: Path | str, told: float) -> float:
    """Say what is waited for, unless it was said a moment ago; gives when it was said last."""
    if (holder.get("host"), holder.get("process")) == (socket.gethostname(), os.getpid()):
        raise ArtifactError(path, "a lock that this process holds already", "one writer at a time")
    now = time.monotonic()
    if now - told < _REMIND:
        return told
    print(f"Waiting for {_in_words(holder)}.", file=sys.stderr, flush=True)
    return now


def _in_words(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process"
    return "process {process} on {host}, which is writing {path}; started {started}".format(**holder)


@cache
def _warn(folder: Path, error: str) -> None:
    print(
        f"Warning: no locks in {folder} ({error}). Work goes on, but two processes could write the same files.",
        file=sys.stderr,
    )


def _close_in_child() -> None:
    """Close the handles in a forked child, which may outlive its parent: the locks are the parent's."""
    for handle in filter(None, _handles):
        handle.close()
    _handles.clear()


os.register_at_fork(after_in_child=_close_in_child)
