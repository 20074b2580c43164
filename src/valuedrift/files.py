"""Write results beside their place and rename them: a file that exists is whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl


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
    finally:
        _remove(draft)


def write_text(path: Path | str, text: str) -> None:
    with publish(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_parquet(path: Path | str, table: pl.DataFrame, metadata: dict[str, str] | None = None) -> None:
    """Write `table` as parquet; the same table and metadata give the same bytes."""
    with publish(path) as draft:
        table.write_parquet(draft, compression="zstd", statistics=True, metadata=metadata)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
