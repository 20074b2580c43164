"""Exclusive kernel locks (flock), which are released when their process ends, for whatever reason.

A job locks its output. So a job whose Snakemake was killed and a job of the next Snakemake don't write the same output
at the same time. The lock files are in `.locks` in the folder of results; each is named with a digest of the path that
it locks.
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
"""The environment variable with the Snakemake that started a job: its host, `:`, and a file that it has locked."""

_POLL = 0.5  # seconds
_REMIND = 300.0  # seconds
_handles: set[BinaryIO | None] = set()  # the open lock files of this process


@contextmanager
def job_lock(output: Path | str) -> Iterator[None]:
    """Hold the lock of a job's output. Every command that writes results runs in this context.

    Raises:
        ValueDriftError: The Snakemake that started this process on this machine ended before the process got the lock.
            A job of the next Snakemake may already have made the output.
    """
    with exclusive(output):
        host, _, mark = os.environ.get(SNAKEMAKE, "").partition(":")
        if mark and host == socket.gethostname() and not is_held(Path(mark)):
            raise ValueDriftError(f"{output}: not made, since the Snakemake that started this job has ended.")
        yield


@contextmanager
def exclusive(path: Path | str) -> Iterator[None]:
    """Hold the lock of `path`, a file or folder that need not exist.

    If another process holds the lock, print which one, and wait. In a run on several devices only the main process
    takes the lock. If the file system has no locks, print one warning and continue without a lock.

    Raises:
        ArtifactError: This process already holds the lock.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    file = _lock_file(Path(path))
    with _acquire(file, path) or nullcontext() as handle:
        _handles.add(handle)
        try:
            yield
        finally:  # remove the file before releasing the lock: a waiting process then sees that, and makes a new file
            _handles.discard(handle)
            with suppress(OSError):
                file.unlink()
                file.parent.rmdir()


def is_held(file: Path) -> bool:
    """Whether a running process, on any machine, has locked this file; also True if the file system has no locks."""
    try:
        with file.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def hold(file: Path) -> BinaryIO:
    """Create and lock a file of this process; the lock lasts until the returned file is closed or the process ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = file.open("wb")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        _warn(file.parent, str(error))
    return handle


def holders(folder: Path) -> list[str]:
    """Return in words which processes hold the locks in a folder of results; remove lock files that nobody holds."""
    found = []
    for file in sorted((folder / FOLDER).glob("*")):
        if is_held(file):
            found.append(_in_words(_read(file)))
        else:
            file.unlink(missing_ok=True)
    return found


def _lock_file(path: Path) -> Path:
    """Return the lock file of a path: in `results` of the working directory, or else in the path's own folder."""
    path, results = path.absolute(), Path("results").absolute()
    folder = results if results in path.parents else path.parent
    digest = hashlib.sha256(path.relative_to(folder).as_posix().encode()).hexdigest()
    return folder / FOLDER / digest[:32]


def _acquire(file: Path, path: Path | str) -> BinaryIO | None:
    """Wait for the lock of the file, and return the open file; None if it can't be created."""
    told = float("-inf")
    while True:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _warn(file.parent, str(error))
            return None
        try:
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
    """Whether the open file is still the one at this path; the last process with the lock may have removed it."""
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
    with suppress(OSError):  # on a full disk the lock works too, without the name of its holder
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
    """Print which process holds the lock, at most every `_REMIND` seconds, and return when that was last printed."""
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
    """Close the lock files in a forked child, so that it doesn't keep its parent's locks after the parent has ended."""
    for handle in filter(None, _handles):
        handle.close()
    _handles.clear()


os.register_at_fork(after_in_child=_close_in_child)
