"""An append-only file of replies. A request with a reply in it is never sent again, also after a crash."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from valuedrift.errors import ArtifactError
from valuedrift.locks import exclusive

_KEY = re.compile(r"[0-9a-f]{32}")
_ENCODER = json.JSONEncoder(allow_nan=False)


class Journal:
    """JSON lines `{"key": 32 hex characters, "value": object}`. Memory holds only the offset of each key's line.

    Every `append` is one write(2). The lines written survive kill -9 of the process, because the kernel has them. Only
    a crash of the machine can lose them; these requests are sent again, so there is no fsync. A kill in the middle of a
    write leaves an incomplete last line, which the next opening for writing removes.

    Opening for writing waits while another process has the journal open for writing. Raises ArtifactError for a damaged
    line.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as lock:
            lock.enter_context(exclusive(self.path))
            self._open("a+b")
            os.ftruncate(self._file.fileno(), self._end)
            self._lock = lock.pop_all()

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Open for reading only, without a lock, also while a process writes. An incomplete last line is ignored."""
        journal = cls.__new__(cls)
        journal.path = Path(path)
        journal._lock = ExitStack()
        if not journal.path.is_file():
            raise ArtifactError(path, "no such file", "a journal of replies")
        journal._open("rb")
        return journal

    def _open(self, mode: str) -> None:
        self._file = self.path.open(mode)
        self._offsets: dict[bytes, int] = {}
        self._end = 0
        try:
            self._file.seek(0)
            for number, line in enumerate(self._file, start=1):
                if not line.endswith(b"\n"):
                    break
                key = bytes.fromhex(_parse(self.path, number, line)[0])
                self._offsets.setdefault(key, self._end)  # without locks, two writers may write a key: the first counts
                self._end += len(line)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self._lock.close()

    def __len__(self) -> int:
        return len(self._offsets)

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._offsets

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Return the value of a key. Raises KeyError if the key isn't in the journal."""
        offset = self._offsets.get(bytes.fromhex(key))
        if offset is None:
            raise KeyError(key)
        self._file.seek(offset)
        return _parse(self.path, None, self._file.readline())[1]

    def items(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield all keys and values in the order in which they were written."""
        for key in list(self._offsets):
            yield key.hex(), self[key.hex()]

    def append(self, key: str, value: dict[str, Any]) -> None:
        """Write a new key. Raises ValueError if the key exists, or isn't 32 lower-case hex characters."""
        self.append_all({key: value})

    def append_all(self, values: Mapping[str, dict[str, Any]]) -> None:
        """Write several new keys in one write. Raises ValueError as `append` does."""
        for key in values:
            if not _KEY.fullmatch(key):
                raise ValueError(f"{self.path}: found key {key!r}, expected 32 hex characters.")
            if key in self:
                raise ValueError(f"{self.path}: key {key} exists already; a journal has each key once.")
        # Models' answers may have lone surrogates, which ASCII escapes can represent and UTF-8 can't encode.
        lines = {
            key: (_ENCODER.encode({"key": key, "value": value}) + "\n").encode("ascii") for key, value in values.items()
        }
        descriptor, data = self._file.fileno(), b"".join(lines.values())
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:
            os.ftruncate(descriptor, self._end)  # on a full disk, no incomplete line may precede a complete one
            raise
        for key, line in lines.items():
            self._offsets[bytes.fromhex(key)] = self._end
            self._end += len(line)


def _parse(path: Path, number: int | None, line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        entry = json.loads(line)
        key, value = entry["key"], entry["value"]
        if _KEY.fullmatch(key) and isinstance(value, dict):
            return key, value
    except (ValueError, KeyError, TypeError):
        pass
    place = path if number is None else f"{path}, line {number}"
    raise ArtifactError(
        place,
        line[:80],
        'a line {"key": 32 hex characters, "value": {...}}',
        "Remove the line: its request is then asked again.",
    )
