"""SHA-256 digests of texts, files and folders, as hexadecimal text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def text_digest(text: str) -> str:
    """Return the digest of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the digest of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def file_digests(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the digests of many files, computed by several threads: hashing is parallel, and weights are large."""
    listed = list(paths)
    with ThreadPoolExecutor() as threads:
        return dict(zip(listed, threads.map(file_digest, listed), strict=True))


def all_files(path: Path) -> list[Path]:
    """Return the file itself, or every file below a folder, sorted by path, without hidden files and folders."""
    if path.is_file():
        return [path]
    inside = (each for each in path.rglob("*") if each.is_file())
    return sorted(each for each in inside if not any(part.startswith(".") for part in each.relative_to(path).parts))


def path_digest(path: Path, digest_of: Callable[[Path], str]) -> str:
    """Return the digest of a file or folder.

    A folder's digest is that of the lines `digest  name` of the files directly in it, sorted, without hidden files.

    Args:
        path: The file or folder.
        digest_of: Returns the digest of a file.
    """
    if not path.is_dir():
        return digest_of(path)
    files = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
    return text_digest("".join(f"{digest_of(each)}  {each.name}\n" for each in files))
