"""SHA-256 of files, and of folders as the list of their files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def file_digest(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def file_digests(paths: Iterable[Path]) -> dict[Path, str]:
    """Of many files at once: hashing leaves the interpreter free, and weights are large."""
    listed = list(paths)
    with ThreadPoolExecutor() as threads:
        return dict(zip(listed, threads.map(file_digest, listed), strict=True))


def files_in(folder: Path) -> list[Path]:
    """A folder's own files, those of its subfolders aside, in the order of their names; hidden ones don't count."""
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def all_files(path: Path) -> list[Path]:
    """A file, or everything below a folder but what is hidden, in the order of the names."""
    if path.is_file():
        return [path]
    inside = (each for each in path.rglob("*") if each.is_file())
    return sorted(each for each in inside if not any(part.startswith(".") for part in each.relative_to(path).parts))


def listing_digest(digests: Mapping[str, str]) -> str:
    """One digest for a folder: of its files' digests and names, in the order of the names."""
    lines = [f"{digest}  {name}\n" for name, digest in sorted(digests.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
