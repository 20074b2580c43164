"""SHA-256 digests, as hex, of texts, files and folders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def text_digest(text: str) -> str:
    """The digest of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """The digest of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def file_digests(paths: Iterable[Path]) -> dict[Path, str]:
    """The digests of many files, read on several threads: hashing releases the interpreter, and weights are large."""
    listed = list(paths)
    with ThreadPoolExecutor() as threads:
        return dict(zip(listed, threads.map(file_digest, listed), strict=True))


def files_in(folder: Path) -> list[Path]:
    """The files directly in a folder, sorted by name, without hidden ones."""
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def all_files(path: Path) -> list[Path]:
    """The file itself, or every file below a folder, sorted by path, without hidden files and folders."""
    if path.is_file():
        return [path]
    inside = (each for each in path.rglob("*") if each.is_file())
    return sorted(each for each in inside if not any(part.startswith(".") for part in each.relative_to(path).parts))


def listing_digest(digests: Mapping[str, str]) -> str:
    """One digest for a folder: of the sorted lines `digest  name` of its files."""
    return text_digest("".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())))
