"""Snakemake's records of what made each result (parameters, inputs, checksums) lie with the results.

So results that are copied or moved, or a `.snakemake` folder that is deleted, don't look as if nobody knew what made
them: their parameters can be compared, and what was copied isn't made again.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

RECORDS = ".records"


def keep_records(results: Path, state: Path = Path(".snakemake"), make: bool = True) -> None:
    """Let `state`'s metadata be a link to a folder in `results`; what it held goes there.

    make: whether `results` is made where it is absent, as before a first job; a plan leaves nothing behind.
    Where neither folder can be written, or both hold records, nothing changes.
    """
    link, kept = state / "metadata", results / RECORDS
    with suppress(OSError):
        if not make and not results.is_dir():
            if link.is_symlink():
                link.unlink()  # of results that were removed
            return
        # Snakemake takes metadata without this folder for those of an old version.
        (state / "incomplete").mkdir(parents=True, exist_ok=True)
        results.mkdir(exist_ok=True)
        if link.is_dir() and not link.is_symlink():
            link.rename(kept)
        kept.mkdir(exist_ok=True)
        link.symlink_to(Path("..") / results / RECORDS, target_is_directory=True)
