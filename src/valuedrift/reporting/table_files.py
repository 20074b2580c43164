"""A table, and its three files: Markdown, CSV and LaTeX (booktabs).

Cells are written in plain characters (`-0.02`); Markdown and LaTeX set the minus sign, CSV keeps the hyphen so that
other programs read a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, groupby
from pathlib import Path

import polars as pl

from valuedrift.files import write_text

MISSING = "—"
LEVEL = " / "
"""Between the levels of a grouped column name, outermost first: `WildChat / support / M`."""

_ROWS_PER_PAGE = 45
_LONG_CELL = 40
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "^": r"\textasciicircum{}",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "%": r"\%",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",
    "]": "{]}",
    "−": r"$-$",
    "η": r"$\eta$",
    "—": "---",
}


@dataclass(frozen=True)
class Table:
    """`name` is the file's stem; numbers in `frame` are shown to three decimals, null as `—`."""

    name: str
    caption: str
    frame: pl.DataFrame


def write_tables(tables: Iterable[Table], folder: Path | str) -> list[Path]:
    """Write `<name>.md`, `<name>.csv` and `<name>.tex` for each table; returns the paths."""
    written = []
    for table in tables:
        for suffix, text in ((".md", markdown(table)), (".csv", table.frame.write_csv()), (".tex", latex(table))):
            path = Path(folder) / f"{table.name}{suffix}"
            write_text(path, text)
            written.append(path)
    return written


def header_rows(columns: Iterable[str]) -> list[list[tuple[str, int]]]:
    """The header's rows as (label, span), outermost first; columns of fewer levels have blanks above them."""
    split = [column.split(LEVEL) for column in columns]
    depth = max(len(levels) for levels in split)
    padded = [[""] * (depth - len(levels)) + levels for levels in split]
    return [_spans(padded, level) for level in range(depth)]


def body_rows(table: Table) -> list[list[str]]:
    """The cells as shown: numbers to three decimals, null as `—`, a real minus sign."""
    return [[shown(value) for value in row] for row in table.frame.iter_rows()]


def is_numeric(table: Table) -> list[bool]:
    """For each column, whether it is set flush right: grouped columns and columns of numbers."""
    return [LEVEL in name or dtype.is_numeric() for name, dtype in table.frame.schema.items()]


def shown(value: object) -> str:
    """A cell as readers see it."""
    if value is None:
        return MISSING
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return re.sub(r"(?<![\w.])-(?=\d)", "−", " ".join(text.split()))


def markdown(table: Table) -> str:
    """A GitHub-flavoured table below its caption."""
    header = [_markdown_text(name.replace(LEVEL, " · ")) for name in table.frame.columns]
    rule = ["---:" if numeric else "---" for numeric in is_numeric(table)]
    body = [[_markdown_text(cell) for cell in row] for row in body_rows(table)]
    lines = [f"| {' | '.join(cells)} |" for cells in (header, rule, *body)]
    return "\n".join([f"**{_markdown_text(table.caption)}**", "", *lines]) + "\n"


def latex(table: Table) -> str:
    """A fragment to \\input: a float, or a long table on turned pages where the rows don't fit one page."""
    return _latex_pages(table) if table.frame.height > _ROWS_PER_PAGE else _latex_float(table)


def latex_text(text: str) -> str:
    """`text` with LaTeX's special characters escaped and control characters dropped."""
    return "".join(_LATEX.get(character, character) for character in text if character.isprintable())


def _spans(padded: list[list[str]], level: int) -> list[tuple[str, int]]:
    groups = [list(members) for _, members in groupby(padded, key=lambda levels: levels[: level + 1])]
    return [(members[0][level], len(members)) for members in groups]


def _markdown_text(text: str) -> str:
    for character, escaped in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("*", "\\*"), ("`", "\\`")):
        text = text.replace(character, escaped)
    return text


def _latex_float(table: Table) -> str:
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,graphicx}",
            r"\begin{table}[tbp]",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{latex_text(table.caption)}}}",
            rf"\label{{tab:{_label(table)}}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{_latex_columns(table)}}}",
            *_latex_header(table),
            *_latex_body(table),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def _latex_pages(table: Table) -> str:
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,longtable,pdflscape}",
            r"\begin{landscape}",
            r"\tiny\setlength{\tabcolsep}{2pt}",
            rf"\begin{{longtable}}{{{_latex_columns(table)}}}",
            rf"\caption{{{latex_text(table.caption)}}}\label{{tab:{_label(table)}}}\\",
            *_latex_header(table),
            r"\endhead",
            *_latex_body(table),
            r"\bottomrule",
            r"\end{longtable}",
            r"\end{landscape}",
            "",
        ]
    )


def _label(table: Table) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", table.name)


def _latex_columns(table: Table) -> str:
    return "".join(
        "r" if numeric else "p{0.3\\linewidth}" if _is_long(table.frame[name]) else "l"
        for name, numeric in zip(table.frame.columns, is_numeric(table), strict=True)
    )


def _is_long(cells: pl.Series) -> bool:
    return any(len(shown(cell)) > _LONG_CELL for cell in cells)


def _latex_header(table: Table) -> list[str]:
    *upper, names = header_rows(table.frame.columns)
    lines = [r"\toprule"]
    for row in upper:
        lines.append(" & ".join(_multicolumn(label, span) for label, span in row) + r" \\")
        lines.append(_group_rules(row))
    lines.append(" & ".join(latex_text(label) for label, _ in names) + r" \\")
    return [*lines, r"\midrule"]


def _latex_body(table: Table) -> list[str]:
    return [" & ".join(latex_text(cell) for cell in row) + r" \\" for row in body_rows(table)]


def _multicolumn(label: str, span: int) -> str:
    return rf"\multicolumn{{{span}}}{{c}}{{{latex_text(label)}}}"


def _group_rules(row: list[tuple[str, int]]) -> str:
    ends = list(accumulate(span for _, span in row))
    return "".join(
        rf"\cmidrule(lr){{{end - span + 1}-{end}}}" for (label, span), end in zip(row, ends, strict=True) if label
    )
