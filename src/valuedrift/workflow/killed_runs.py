"""What a killed Snakemake leaves behind: its lock on the folder, jobs that go on without it, and files cut short.

Each Snakemake locks a file of its own, its mark. Where no other mark of a folder is locked, Snakemake's own lock files
are those of a killed one.
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

_TOLERANCE = 60.0  # seconds by which the clocks of machines that share files may differ


def join(folder: Path) -> BinaryIO:
    """Join the Snakemakes of a folder (`.snakemake`); the mark that this gives lasts as long as it is open.

    Removes the lock files of one that was killed.
    """
    mark, locks = folder.absolute() / "valuedrift" / uuid4().hex, folder / "locks"
    handle = hold(mark)
    atexit.register(mark.unlink, missing_ok=True)
    if is_alone(mark) and locks.is_dir() and any(locks.iterdir()):
        print("The Snakemake that locked this folder was killed: removing its stale lock.", file=sys.stderr)
        shutil.rmtree(locks)
        locks.mkdir()
    return handle


def tell_jobs(mark: Path) -> None:
    """Let the jobs that this process starts know their Snakemake by its mark, and so whether it has died."""
    os.environ[SNAKEMAKE] = f"{socket.gethostname()}:{mark}"


def is_alone(mark: Path) -> bool:
    """Whether the Snakemake with this mark is the only one that lives in its folder."""
    return not any(is_held(other) for other in mark.parent.iterdir() if other != mark)


def require_usable(results: Path) -> None:
    """Raise ArtifactError unless results can be written and none is dated in the future.

    Snakemake would remove what is made from a file of the future.
    """
    now = time.time()
    for folder, _, names in os.walk(results):
        for file in (Path(folder, name) for name in names):
            with suppress(FileNotFoundError):  # of another Snakemake's job
                if (made := file.stat().st_mtime) > now + _TOLERANCE:
                    raise ArtifactError(
                        file,
                        f"made at {datetime.fromtimestamp(made):%Y-%m-%d %H:%M}",
                        f"a time before now, {datetime.fromtimestamp(now):%Y-%m-%d %H:%M}",
                        "Set the clock right; `snakemake --touch --forceall TARGET` then dates what is there anew.",
                    )
    existing = next(path for path in (results, *results.absolute().parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ArtifactError(existing, "no permission to write", "a folder for results that can be written")


def remove_drafts(results: Path, mark: Path) -> None:
    """Remove what killed jobs had begun to write, unless jobs may still be writing.

    Those are another Snakemake's, where the one with this `mark` isn't alone, and orphans, which are named.
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
            shutil.rmtree(draft) if draft.is_dir() else draft.unlink()
