"""Indexes of the folders of tables and figures: every number of the paper, made or missing and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from valuedrift.files import write_text
from valuedrift.paper.rendering import render
from valuedrift.paper.table_files import Table, body_rows, header_rows, is_numeric

SUFFIXES = (".md", ".csv", ".tex")
_PICTURES = (".svg", ".png")


@dataclass(frozen=True)
class Entry:
    """What became of one number of the paper (such as "Table 9"; "" for what has none).

    files: paths that hold it, from the index's folder; none where it is missing · note: what isn't there, and why
    """

    number: str
    title: str
    files: tuple[str, ...] = ()
    note: str = ""

    @property
    def status(self) -> str:
        return ": ".join(part for part in ("made" if self.files else "missing", self.note) if part)

    @property
    def links(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """(stem, its files as (ending, path)), in order."""
        stems = groupby(self.files, key=lambda file: str(PurePosixPath(file).with_suffix("")))
        return [
            (PurePosixPath(stem).name, [(PurePosixPath(file).suffix[1:], file) for file in files])
            for stem, files in stems
        ]

    @property
    def picture(self) -> str | None:
        return next((file for file in self.files if PurePosixPath(file).suffix in _PICTURES), None)


def table_files(name: str) -> tuple[str, ...]:
    """The files that `write_tables` writes for a table of that name."""
    return tuple(f"{name}{suffix}" for suffix in SUFFIXES)


def write_index(folder: Path, title: str, entries: Sequence[Entry], tables: Iterable[Table] = ()) -> None:
    """Write index.md and index.html into the folder; the page shows the tables themselves, or the entries' pictures."""
    write_text(folder / "index.md", _markdown(title, entries))
    write_text(
        folder / "index.html", render("paper_index.html", title=title, entries=entries, tables=map(_page, tables))
    )


def _markdown(title: str, entries: Sequence[Entry]) -> str:
    lines = [f"# {title}", "", "| number | title | files | state |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {_cell(entry.number)} | {_cell(entry.title)} | {_links(entry)} | {_cell(entry.status)} |"
        for entry in entries
    ]
    return "\n".join(lines) + "\n"


def _links(entry: Entry) -> str:
    return "; ".join(
        f"{stem}: " + ", ".join(f"[{ending}]({file})" for ending, file in files) for stem, files in entry.links
    )


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")


def _page(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "caption": table.caption.partition(". M:")[0],
        "notes": (*filter(None, ["".join(table.caption.partition("M:")[1:])]), *table.notes),
        "header": header_rows(table.frame.columns),
        "numeric": is_numeric(table),
        "rows": body_rows(table),
    }
