"""Index pages of the folders of tables and figures: for each number of the paper, its files, or why it is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path, PurePosixPath
from typing import Any

from valuedrift.display import Display
from valuedrift.files import write_text
from valuedrift.paper.rendering import render
from valuedrift.paper.stated_numbers import paper_data, paper_model, stated
from valuedrift.paper.table_formats import Table, body_rows, header_rows, is_numeric
from valuedrift.paper.text_tables import sample_topics, shown_model

_SUFFIXES = (".md", ".csv", ".tex")
_LAST_TABLE = 17
_TITLES = {
    1: "Drift by preference optimisation on pairs with a small value gap",
    2: "Categories of the probe set",
    3: "Category and stance target",
    4: "Category and value",
    8: "Sample pairs",
    17: "Downstream tasks",
}
_REASONS = {
    1: "the grid of {models} has no run on pairs with a small value gap",
    8: "the suite has no support-aligned pairs",
    17: "nothing in results/downstream; docs/tables.md says how to measure it",
}
_PICTURES = (".svg", ".png")


@dataclass(frozen=True)
class Entry:
    """A table or figure in the index, made or missing.

    Attributes:
        number: The paper's number, such as "Table 9"; empty if it has none.
        title: What the table or figure shows.
        files: Paths of its files, relative to the index's folder; empty if it is missing.
        note: What is missing or shown instead, and why.
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
        """(stem, its files as (ending, path)), in the order of `files`."""
        stems = groupby(self.files, key=lambda file: str(PurePosixPath(file).with_suffix("")))
        return [
            (PurePosixPath(stem).name, [(PurePosixPath(file).suffix[1:], file) for file in files])
            for stem, files in stems
        ]

    @property
    def picture(self) -> str | None:
        return next((file for file in self.files if PurePosixPath(file).suffix in _PICTURES), None)


def table_entries(tables: Sequence[Table], display: Display) -> list[Entry]:
    """Return one entry per table of the paper, or one per suite if suites have their own, then the other tables."""
    made: dict[int | None, list[Table]] = {}
    for table in tables:
        made.setdefault(table_number(table), []).append(table)
    others = made.pop(None, [])
    instead = [table.name for table in others]
    numbered = [_entries(number, made.get(number, []), display, instead) for number in range(1, _LAST_TABLE + 1)]
    return [*chain.from_iterable(numbered), *(Entry("", _title(table), _files(table)) for table in others)]


def write_index(folder: Path, title: str, entries: Sequence[Entry], tables: Iterable[Table] = ()) -> None:
    """Write index.md and index.html into the folder; index.html also shows the tables and the entries' pictures."""
    write_text(folder / "index.md", _markdown(title, entries))
    page = render("valuedrift.paper", "paper_index.html", title=title, entries=entries, tables=map(page_table, tables))
    write_text(folder / "index.html", page)


def _entries(number: int, tables: Sequence[Table], display: Display, instead: Sequence[str]) -> list[Entry]:
    title, reason = _about(number, display, instead)
    if not tables:
        return [Entry(f"Table {number}", title, note=reason)]
    suites = [suite for suite in display.suites if display.suffix(suite)]
    entries = []
    for table in tables:
        own = next((suite for suite in suites if table.name.endswith(display.suffix(suite))), None)
        note = display.of_suite(own) if own else _stand_in(number, display)
        entries.append(Entry(f"Table {number}", title, _files(table), note))
    return entries


def table_number(table: Table) -> int | None:
    """Return the number in the table's name, such as 9 for `table_09_sft_drift_‹model›`; None if there is none."""
    kind, _, rest = table.name.partition("_")
    number = rest.partition("_")[0]
    return int(number) if kind == "table" and number.isdigit() else None


def _files(table: Table) -> tuple[str, ...]:
    """Return the names of the files that `write_tables` writes."""
    return tuple(f"{table.name}{suffix}" for suffix in _SUFFIXES)


def _title(table: Table) -> str:
    return table.caption.partition(". M:")[0]


def _about(number: int, display: Display, instead: Sequence[str]) -> tuple[str, str]:
    """Return the title of one of the paper's tables, and the reason if it is missing.

    Args:
        number: The table's number.
        display: Names and orders.
        instead: Names of tables without a number.
    """
    paper = stated()
    if number in paper["sft_tables"]:
        name = paper["sft_tables"][number]
        return f"SFT drift of {name}", _unreported(name, "sft_drift_", instead)
    if number in paper["preference_tables"]:
        name, data = paper["preference_tables"][number]
        reason = _unreported(name, "preference_drift_", instead)
        for model in (model for model in display.models.values() if paper_model(model) == name):
            own = next((sft for sft in model.suite.sft if paper_data(model.suite, sft) == data), data)
            start = model.suite.data_title(own)
            reason = f"the grid of {model.title} has no run on aligned pairs after SFT on {start}"
        return f"Preference drift of {name} after SFT on {data}", reason
    if number in paper["sample_tables"]:
        topic = sample_topics(display).get(number)
        if topic is None:
            return "Sample answers", "report.sample_topics names no topic for it"
        return f"Sample answers: {display.topic_name(topic)}", f"no answers on {display.topic_name(topic)}"
    models = ", ".join(model.title for model in display.models.values())
    return _TITLES[number], _REASONS.get(number, "").format(models=models)


def _stand_in(number: int, display: Display) -> str:
    """Return which model a table of samples shows if it isn't the paper's; empty if it is."""
    wanted = stated()["sample_tables"].get(number)
    if wanted is None:
        return ""
    shown = shown_model(number, display)
    return "" if paper_model(shown) == wanted else f"of {shown.title}; {_unreported(wanted)}"


def _unreported(name: str, kind: str = "", instead: Iterable[str] = ()) -> str:
    """Return a note that a model isn't reported, with the names of other models' tables of the same kind."""
    similar = [table for table in instead if kind and table.startswith(kind)]
    return f"{name} is not in report.models" + (f"; see {', '.join(similar)}" if similar else "")


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


def page_table(table: Table) -> dict[str, Any]:
    """Return the parts of a table as the templates read them; intervals begin a line."""
    caption, legend, reading = table.caption.partition("M:")
    numeric = is_numeric(table)
    return {
        "name": table.name,
        "caption": caption.removesuffix(". ") if legend else caption,
        "legend": legend + reading,
        "notes": table.notes,
        "header": header_rows(table.frame.columns),
        "numeric": numeric,
        "rows": [
            [cell.replace(" [", "\n[") if number else cell for cell, number in zip(row, numeric, strict=True)]
            for row in body_rows(table)
        ],
    }
