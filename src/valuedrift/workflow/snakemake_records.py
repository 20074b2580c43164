"""Keep Snakemake's records of each result (parameters, inputs, checksums) in the folder of results.

So the records remain when results are copied or moved or `.snakemake` is deleted, and no job runs again because of it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from valuedrift.errors import ArtifactError

RECORDS = ".records"


def keep_records(results: Path, state: Path = Path(".snakemake"), make: bool = True) -> None:
    """Replace Snakemake's folder of metadata by a link to a folder in `results`, and move its records there.

    Nothing changes if a folder can't be written, or if both folders have records.

    Args:
        results: The folder of results.
        state: Snakemake's folder.
        make: Whether to create `results`, as before a first job. Dry runs and plans don't create it.

    Raises:
        ArtifactError: `results` is a file.
    """
    if results.is_file():
        raise ArtifactError(results, "a file", "a folder for results", "Move it away.")
    link, kept = state / "metadata", results / RECORDS
    with suppress(OSError):
        if not make and not results.is_dir():
            if link.is_symlink():
                link.unlink()  # the results were removed
            return
        # Without this folder Snakemake treats the metadata as those of an old version.
        (state / "incomplete").mkdir(parents=True, exist_ok=True)
        results.mkdir(exist_ok=True)
        if link.is_dir() and not link.is_symlink():
            link.rename(kept)
        kept.mkdir(exist_ok=True)
        link.symlink_to(Path("..") / results / RECORDS, target_is_directory=True)
