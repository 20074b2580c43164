"""Write results to a temporary file and rename it, so that a file that exists is complete."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.errors import ArtifactError

PROVENANCE = "provenance"
"""The key of a parquet file's metadata that holds its origin, as JSON."""

PRUNED = "pruned.json"
"""The file in a checkpoint's folder that marks its weights as deleted."""

DRAFT = re.compile(r"\..+\.[0-9]+\.tmp")
"""Names of temporary files and folders: they are being written, or their process was killed while writing them."""

# What polars raises over tables that are damaged or can't be read; its reader of parquet panics over some.
UNREADABLE = (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException)

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# The last two are torch's messages for a short write.
_FULL_MESSAGES = (
    "No space left",
    "quota exceeded",
    "File too large",
    "PytorchStreamWriter failed",
    "unexpected pos",
)


@dataclass(frozen=True)
class _Command:
    """The running command: a function that returns the origin of its files as JSON, and the paths it has published."""

    origin: Callable[[], str]
    published: list[Path] = field(default_factory=list)


_command: ContextVar[_Command | None] = ContextVar("command", default=None)


@contextmanager
def made_from(origin: Callable[[], str]) -> Iterator[list[Path]]:
    """Write the origin into every parquet file that is written in this context, and yield the list of published paths.

    The list grows with each path that is published.

    Args:
        origin: Returns the origin as JSON. It is called only when a parquet file is written.
    """
    command = _Command(origin)
    token = _command.set(command)
    try:
        yield command.published
    finally:
        _command.reset(token)


@contextmanager
def publish(path: Path | str, folder: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on success it replaces `path`, on failure it is removed.

    The body of the context creates a file or a folder at the temporary path; with `folder`, it gets an empty folder.

    Raises:
        ArtifactError: `path` is a folder, and the body has created a file.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    _remove(draft)
    if folder:
        draft.mkdir()
    try:
        yield draft
        if draft.is_file() and target.is_dir():
            raise ArtifactError(target, "a folder", "a path for a file", "Name another path, or remove the folder.")
        if draft.is_dir():
            _remove(target)  # only a file can replace a file in one step
        draft.replace(target)
        if command := _command.get():
            command.published.append(target)
    finally:
        _remove(draft)


@contextmanager
def draft_folder(beside: Path) -> Iterator[Path]:
    """Yield an empty folder in the folder of `beside`, where there is space for it; it is removed at the end."""
    folder = beside.with_name(f".{beside.name}-files.{os.getpid()}.tmp")
    _remove(folder)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        _remove(folder)


def write_text(path: Path | str, text: str) -> None:
    with publish(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_parquet(path: Path | str, table: pl.DataFrame, own: Mapping[str, str] | None = None) -> None:
    """Write `table` as parquet; the same table, metadata and origin give the same bytes.

    Args:
        path: File to write.
        table: The content of the file.
        own: Metadata in addition to the origin.
    """
    with publish(path) as draft:
        table.write_parquet(draft, compression="zstd", statistics=True, metadata=parquet_metadata(own))


def read_parquet(path: Path, expected: str, do: str = "") -> pl.DataFrame:
    """Read a table that may be missing or damaged; raise ArtifactError with what was expected and what to do."""
    if not path.is_file():
        raise ArtifactError(path, "no such file", expected, do)
    with readable(path, expected, do):
        return pl.read_parquet(path)


@contextmanager
def readable(path: Path, expected: str, do: str = "") -> Iterator[None]:
    """Turn whatever polars raises over a damaged table into ArtifactError."""
    try:
        yield
    except UNREADABLE as error:
        raise ArtifactError(path, str(error).splitlines()[0], expected, do) from None


def parquet_metadata(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the key-value metadata of a parquet file: its own, and the origin within `made_from`."""
    command = _command.get()
    return {**(own or {}), **({PROVENANCE: command.origin()} if command else {})}


def is_full(error: BaseException) -> bool:
    """Whether an error means that a disk or a quota is full; some libraries say so only in the message."""
    return getattr(error, "errno", None) in _FULL or any(text in str(error) for text in _FULL_MESSAGES)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
