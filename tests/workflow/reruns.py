"""What an edit of each key of the configuration runs again, as reruns.yaml says it.

`python tests/workflow/reruns.py` prints the table as docs/reruns.md has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

_FILE = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Row:
    """One row of the table; reruns.yaml explains it."""

    keys: list[str]
    says: str
    runs: set[str]
    edits: list[tuple[str, Any]]
    targets: list[str]

    def covers(self, key: str) -> bool:
        return any(fnmatchcase(key, pattern) for pattern in self.keys)


def rules(*names: str) -> set[str]:
    """Rules, with those of groups in place of their names."""
    groups = _FILE["groups"]
    return {rule for name in names for rule in (rules(*groups[name]) if name in groups else [name])}


def _row(entry: dict[str, Any]) -> Row:
    edits = [*entry.get("edit", {}).items()]
    for section, keys in entry.get("each", {}).items():
        edits += [(f"{section}.{key}", value) for key, value in keys.items()]
    for path, values in entry.get("values", {}).items():
        edits += [(path, value) for value in values]
    return Row(entry["keys"], entry["says"], rules(*entry["runs"]), edits, entry.get("targets", []))


TABLE = [_row(entry) for entry in _FILE["table"]]


def markdown() -> Iterator[str]:
    """The table's lines, one for all rows that say the same."""
    yield from ("| key | an edit runs again |", "| --- | --- |")
    for says in dict.fromkeys(row.says for row in TABLE):
        keys = dict.fromkeys(key for row in TABLE if row.says == says for key in row.keys)
        yield f"| {', '.join(f'`{key}`' for key in keys)} | {says} |"


if __name__ == "__main__":
    print("\n".join(markdown()))
