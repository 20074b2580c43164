"""Write results beside their place and rename them: a file that exists is whole."""

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

PROVENANCE = "provenance"
"""The key of a parquet file's metadata under which its origin stands, as JSON."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SAID_FULL = (
    *("No space left", "quota exceeded", "File too large"),
    *("PytorchStreamWriter failed", "unexpected pos"),  # torch's words for a short write
)


@dataclass(frozen=True)
class Making:
    """What is being made: where it comes from, as JSON, and the paths that were published so far."""

    origin: Callable[[], str]
    published: list[Path] = field(default_factory=list)


_making: ContextVar[Making | None] = ContextVar("making", default=None)


@contextmanager
def made_from(origin: Callable[[], str]) -> Iterator[list[Path]]:
    """Within, parquet files say where they come from, and the list that this yields grows by what is published.

    origin: asked when something is first written, so that commands that write nothing don't pay for it
    """
    making = Making(origin)
    token = _making.set(making)
    try:
        yield making.published
    finally:
        _making.reset(token)


DRAFT = re.compile(r"\..+\.[0-9]+\.tmp")
"""What is being written, or was when its process was killed."""


@contextmanager
def publish(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it replaces `path`, on failure it is removed.

    The body decides whether it makes a file or a folder there.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    _remove(draft)
    try:
        yield draft
        if draft.exists() and (draft.is_dir() or target.is_dir()):
            _remove(target)  # only a file replaces a file in one step
        draft.replace(target)
        if making := _making.get():
            making.published.append(target)
    finally:
        _remove(draft)


def write_text(path: Path | str, text: str) -> None:
    with publish(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_parquet(path: Path | str, table: pl.DataFrame, own: Mapping[str, str] | None = None) -> None:
    """Write `table` as parquet; the same table, metadata and origin give the same bytes.

    own: metadata beside the origin
    """
    with publish(path) as draft:
        table.write_parquet(draft, compression="zstd", statistics=True, metadata=parquet_metadata(own))


def parquet_metadata(own: Mapping[str, str] | None = None) -> dict[str, str]:
    """The key-value metadata of a parquet file: its own, and its origin where a command makes it."""
    making = _making.get()
    return {**(own or {}), **({PROVENANCE: making.origin()} if making else {})}


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk or a quota is full; libraries that write tell so in words of their own."""
    return getattr(error, "errno", None) in _FULL or any(text in str(error) for text in _SAID_FULL)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
