"""A blind sheet for a person to fill in: a CSV file, an HTML form that works without a network, and the key.

Answers are untrusted text. Both files spell out invisible characters, cells of the CSV can't become formulas, and the
form inserts texts as text only, under a content security policy that runs only the form's own script.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from valuedrift.digests import text_digest
from valuedrift.errors import ArtifactError, DataError, require_columns
from valuedrift.files import read_parquet, write_parquet, write_text
from valuedrift.input_tables.checked_rows import LABELS, InputRow, LabelOrNone, Note, Text, WholeNumber, read_checked
from valuedrift.packaged import packaged_text
from valuedrift.paper.rendering import render, script_hash
from valuedrift.visible_text import spreadsheet_cell, visible

SHOWN = ("sheet", "pair", "target", "question", "answer")
"""The columns of a key that the sheet shows: the sheet's name, the pair's number, and what to judge."""

_PACKAGE = "valuedrift.judging.checks"
_FILLED = ("human_stance", "note")


class _SheetRow(InputRow):
    sheet: Text
    pair: WholeNumber
    human_stance: LabelOrNone
    note: Note = ""


_BYTE_ORDER_MARK = "\ufeff"  # without it, spreadsheets don't read the file as UTF-8


def sheet_name(*drawn: Any) -> str:
    """Return a name for a draw, the same for equal draws. It begins with a letter, so spreadsheets keep it as text."""
    return f"s{text_digest(repr(drawn))[:11]}"


def write_sheet(key: pl.DataFrame, sheet: Path, key_file: Path) -> None:
    """Write an empty sheet, as CSV and as an HTML form of the same name, and its key.

    Args:
        key: One row per question and answer, in the order of the sheet: the columns SHOWN, and columns that the person
            must not see.
        sheet: The CSV file to write; the form has the same name with the ending .html.
        key_file: The parquet file to write. The person who fills in the sheet should not read it.
    """
    write_parquet(key_file, key)
    write_text(sheet, sheet_csv(key))
    write_text(sheet.with_suffix(".html"), sheet_page(key))


def sheet_csv(key: pl.DataFrame) -> str:
    """Return the sheet as CSV: the columns SHOWN, and the empty columns `human_stance` and `note`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*SHOWN, *_FILLED))
    for row in key.select(SHOWN).iter_rows():
        writer.writerow([*(spreadsheet_cell(str(cell)) for cell in row), *("" for _ in _FILLED)])
    return _BYTE_ORDER_MARK + text.getvalue()


def sheet_page(key: pl.DataFrame) -> str:
    """Return the sheet as one HTML page. It keeps the person's entries in the browser, and saves them as a CSV file."""
    script, style = (packaged_text(_PACKAGE, "templates", name) for name in ("sheet.js", "sheet.css"))
    pairs = [
        {"pair": pair} | {name: visible(text) for name, text in zip(SHOWN[2:], texts, strict=True)}
        for pair, *texts in key.select(SHOWN[1:]).iter_rows()
    ]
    return render(
        _PACKAGE,
        "sheet.html",
        script=Markup(script),
        script_hash=script_hash(script),
        style=Markup(style),
        labels=LABELS,
        sheet={"sheet": key["sheet"][0], "pairs": pairs},
    )


def read_sheet(sheet: Path, key: Path, partly: bool = False) -> pl.DataFrame:
    """Return the key's rows with the `human_stance` (one of LABELS) and `note` of a filled sheet.

    Args:
        sheet: The filled CSV file, or the file that the form saved. Only `sheet, pair, human_stance` and `note` are
            read.
        key: The key that was written with the sheet.
        partly: Accept a sheet with empty stances, which become null.

    Raises:
        DataError: The sheet belongs to another key, a pair is unknown, repeated or missing, or a stance is missing or
            isn't one of LABELS; the error names file, row and field.
        ArtifactError: A file is missing.
    """
    table = _read_key(key)
    name, known = table["sheet"][0], set(table["pair"])
    filled: dict[int, tuple[str | None, str]] = {}
    blank = []
    for number, row in read_checked(sheet, _SheetRow):
        if row.sheet != name:
            do = "Give the key that was written with this sheet."
            raise DataError(sheet, number, "sheet", row.sheet, f"'{name}', as in the key", do)
        if row.pair not in known or row.pair in filled:
            raise DataError(sheet, number, "pair", row.pair, f"each pair from 1 to {len(known)} once")
        if row.human_stance is None:
            blank.append(number)
        filled[row.pair] = (row.human_stance, row.note)
    if missing := sorted(known - set(filled)):
        raise DataError(sheet, None, "pair", f"{len(missing)} pairs missing, first {missing[0]}", "every pair once")
    if blank and not partly:
        found = f"no stance ({len(blank)} of {len(filled)} rows have none)"
        raise DataError(sheet, blank[0], "human_stance", found, f"one of {', '.join(LABELS)}", "Fill in the rest.")
    answers = [(pair, *answer) for pair, answer in filled.items()]
    columns = {"pair": pl.Int64, "human_stance": pl.String, "note": pl.String}
    given = pl.DataFrame(answers, columns, orient="row").cast({"pair": table.schema["pair"]})
    return table.join(given, on="pair", how="left", maintain_order="left")


def _read_key(key: Path) -> pl.DataFrame:
    do = "Give the file key.parquet that was written with the sheet."
    table = read_parquet(key, "the key of the sheet", do)
    require_columns(key, table.columns, SHOWN)
    if table.is_empty():
        raise ArtifactError(key, "no rows", "the key of the sheet", do)
    return table
