"""Tables and their three files: Markdown, CSV and LaTeX (booktabs).

The cells of a table have a hyphen as the minus sign (`-0.02`). Markdown and LaTeX files have a real minus sign; CSV
files keep the hyphen, so that other programs read a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, groupby
from pathlib import Path

import polars as pl

from valuedrift.files import write_text
from valuedrift.paper.latex import latex_text
from valuedrift.paper.rendering import render_latex
from valuedrift.visible_text import spreadsheet_cell, visible

MISSING = "—"
LEVEL = " / "
"""The separator of the levels of a grouped column name, outermost level first: `WildChat / support / M`."""

_ROWS_PER_PAGE = 45
_LONG_CELL, _SHORT_CELL = 40, 12
_PROSE_WIDTH, _LABEL_WIDTH = 0.64, 0.14
_PACKAGES = "array,booktabs,caption,graphicx,longtable,pdflscape"
_NUMBERED = re.compile(r"Table (\d+)\. (.*)")
_INTERVAL = re.compile(r"([+−]?\d\S*) (\[[^\[\]]*\])(.*)")
_ACTIVE = re.compile(r"[\\`*_\[\]<>|&~$@]|:(?=//)")


@dataclass(frozen=True)
class Table:
    """A table. It is shown with numbers to three decimals, and null as `—`.

    Attributes:
        name: The stem of its files.
        caption: Its caption, which begins with the table's number in the paper if it has one.
        frame: Its cells; names of columns may have levels (see `LEVEL`).
        notes: Texts below the table.
        prose: Columns of texts from models or data sets. They are shown with hidden characters spelled out, and escaped
            so that Markdown, LaTeX and spreadsheets treat them as plain text.
    """

    name: str
    caption: str
    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
    prose: tuple[str, ...] = ()


def write_tables(tables: Iterable[Table], folder: Path | str) -> list[Path]:
    """Write `<name>.md`, `<name>.csv` and `<name>.tex` for each table, and return the paths."""
    written = []
    for table in tables:
        for suffix, text in ((".md", markdown(table)), (".csv", _csv(table)), (".tex", latex(table))):
            path = Path(folder) / f"{table.name}{suffix}"
            write_text(path, text)
            written.append(path)
    return written


def header_rows(columns: Iterable[str]) -> list[list[tuple[str, int]]]:
    """Return the header's rows as (label, span), outermost first; columns with fewer levels have blanks above them."""
    split = [column.split(LEVEL) for column in columns]
    depth = max(len(levels) for levels in split)
    padded = [[""] * (depth - len(levels)) + levels for levels in split]
    return [_spans(padded, level) for level in range(depth)]


def body_rows(table: Table) -> list[list[str]]:
    """Return the cells as text: numbers to three decimals and a real minus sign, null as `—`, prose made visible."""
    prose = [name in table.prose for name in table.frame.columns]
    return [
        [_prose(value) if is_prose else shown(value) for value, is_prose in zip(row, prose, strict=True)]
        for row in table.frame.iter_rows()
    ]


def shared(frame: pl.DataFrame, columns: Iterable[str]) -> tuple[pl.DataFrame, str]:
    """Take the columns with the same value in all rows out of a table, and return them as text for its caption.

    The text is, for example, `Model: Qwen3 4B. `. Only the given columns are taken out.
    """
    same = [name for name in columns if frame[name].n_unique() == 1]
    return frame.drop(same), "".join(f"{name}: {frame[name][0]}. " for name in same)


def is_numeric(table: Table) -> list[bool]:
    """Return for each column whether it is aligned right, as grouped columns and columns of numbers are."""
    return [LEVEL in name or dtype.is_numeric() for name, dtype in table.frame.schema.items()]


def shown(value: object) -> str:
    """Return the text that is shown for a cell."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return re.sub(r"(?<![\w.])-(?=\d)", "−", " ".join(text.split()))


def markdown(table: Table) -> str:
    """Return the caption and, below it, the table in GitHub-flavoured Markdown."""
    header = [_markdown_text(name.replace(LEVEL, " · ")) for name in table.frame.columns]
    rule = ["---:" if numeric else "---" for numeric in is_numeric(table)]
    escapes = [_markdown_prose if name in table.prose else _markdown_text for name in table.frame.columns]
    body = [[escape(cell) for escape, cell in zip(escapes, row, strict=True)] for row in body_rows(table)]
    lines = [f"| {' | '.join(cells)} |" for cells in (header, rule, *body)]
    notes = [line for note in table.notes for line in ("", _markdown_text(note))]
    return "\n".join([f"**{_markdown_text(table.caption)}**", "", *lines, *notes]) + "\n"


def latex(table: Table) -> str:
    """Return a LaTeX fragment to \\input: a long table for prose, a turned one for many rows, a float otherwise."""
    numbered = _NUMBERED.fullmatch(table.caption)
    *upper, names = header_rows(table.frame.columns)
    return render_latex(
        "table.tex",
        packages=_PACKAGES,
        counter=int(numbered[1]) - 1 if numbered else None,
        caption=latex_text(numbered[2] if numbered else table.caption),
        label=re.sub(r"[^A-Za-z0-9]+", "-", table.name),
        columns=_latex_columns(table),
        groups=[[(latex_text(label), span) for label, span in row] for row in upper],
        rules=list(map(_group_rules, upper)),
        names=[latex_text(label) for label, _ in names],
        rows=[[_latex_cell(cell) for cell in row] for row in body_rows(table)],
        notes=[latex_text(note) for note in table.notes],
        is_prose=bool(table.prose),
        is_long=table.frame.height > _ROWS_PER_PAGE,
    )


def latex_document(names: Iterable[str]) -> str:
    """Return a LaTeX document that inputs the fragments `<name>.tex` in its folder."""
    return render_latex("tables.tex", packages=_PACKAGES, names=names)


def _prose(value: object) -> str:
    return MISSING if value is None else " ".join(visible(str(value)).split())


def _csv(table: Table) -> str:
    """Return the table as CSV; prose keeps its line breaks and can't be a formula (see `spreadsheet_cell`)."""
    cells = pl.col(table.prose).map_elements(spreadsheet_cell, return_dtype=pl.String)
    return table.frame.with_columns(cells).write_csv() if table.prose else table.frame.write_csv()


def _spans(padded: list[list[str]], level: int) -> list[tuple[str, int]]:
    groups = [list(members) for _, members in groupby(padded, key=lambda levels: levels[: level + 1])]
    return [(members[0][level], len(members)) for members in groups]


def _markdown_text(text: str) -> str:
    for character, escaped in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("*", "\\*"), ("`", "\\`")):
        text = text.replace(character, escaped)
    return text


def _markdown_prose(text: str) -> str:
    """Return the text with Markdown's and HTML's special characters as entities, so that mark-up remains text."""
    return _ACTIVE.sub(lambda found: f"&#{ord(found[0])};", text)


def _latex_cell(cell: str) -> str:
    """Return the cell as LaTeX, with an interval on a line of its own."""
    found = _INTERVAL.fullmatch(cell)
    if not found:
        return latex_text(cell)
    value, interval, rest = (latex_text(part) for part in found.groups())
    return rf"\shortstack[r]{{{value}{rest}\\{{\scriptsize {interval}}}}}"


def _latex_columns(table: Table) -> str:
    columns = zip(table.frame.get_columns(), is_numeric(table), strict=True)
    return "".join("r" if numeric else _latex_column(table, cells) for cells, numeric in columns)


def _latex_column(table: Table, cells: pl.Series) -> str:
    longest = max((len(shown(cell)) for cell in cells), default=0)
    if table.prose:
        share = _PROSE_WIDTH / len(table.prose) if cells.name in table.prose else _LABEL_WIDTH
        return "l" if share == _LABEL_WIDTH and longest <= _SHORT_CELL else _paragraphs(share)
    return _paragraphs(0.3) if longest > _LONG_CELL else "l"


def _paragraphs(share: float) -> str:
    """Return a LaTeX column as wide as that share of the line, ragged on the right."""
    return rf">{{\raggedright\arraybackslash}}p{{{share:.3g}\linewidth}}"


def _group_rules(row: list[tuple[str, int]]) -> str:
    ends = list(accumulate(span for _, span in row))
    return "".join(
        rf"\cmidrule(lr){{{end - span + 1}-{end}}}" for (label, span), end in zip(row, ends, strict=True) if label
    )
