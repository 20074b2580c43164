"""The blind sheet that a person fills in: a CSV file and an HTML form without a network, and the key beside them.

Answers are untrusted text: both files spell out the characters that can't be seen, the CSV's cells can't become
formulas, and the form sets every text as text under a policy that runs its own script alone.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from valuedrift.data.rows import NumberedRow, Row, read_rows
from valuedrift.errors import ArtifactError, DataError
from valuedrift.files import publish, write_parquet, write_text
from valuedrift.judge_checks.draw_sample import draw_pairs
from valuedrift.paper.rendering import script_hash
from valuedrift.statistics.panel import STANCES
from valuedrift.visible_text import spreadsheet_cell, visible

LABELS = (*STANCES, "refusal")
"""What a person can say of an answer."""

_SHOWN = ("sheet", "pair", "target", "question", "answer")
_FILLED = ("human_stance", "note")
_BYTE_ORDER_MARK = "\ufeff"  # without it, spreadsheets take UTF-8 for another encoding
_TEMPLATES = Environment(
    loader=PackageLoader("valuedrift.judge_checks"),
    autoescape=True,
    undefined=StrictUndefined,
    keep_trailing_newline=True,
)


def write_sheet(sources: Sequence[Path], targets: Mapping[str, str], pairs: int, seed: int, out: Path) -> None:
    """Draw `pairs` judged answers (see `draw_pairs`) and write sheet.csv, sheet.html and key.parquet into `out`.

    The sheet shows the question, the answer and the position to judge it by; which run gave it, and what the judge
    said, stands in the key alone.
    """
    key = draw_pairs(sources, targets, pairs, seed)
    with publish(out) as draft:
        draft.mkdir()
        write_text(draft / "sheet.csv", sheet_csv(key))
        write_text(draft / "sheet.html", sheet_page(key))
        write_parquet(draft / "key.parquet", key)


def sheet_csv(key: pl.DataFrame) -> str:
    """The sheet as CSV: `sheet, pair, target, question, answer` and, to be filled in, `human_stance, note`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*_SHOWN, *_FILLED))
    for row in key.select(_SHOWN).iter_rows():
        writer.writerow([*(spreadsheet_cell(str(cell)) for cell in row), *("" for _ in _FILLED)])
    return _BYTE_ORDER_MARK + text.getvalue()


def sheet_page(key: pl.DataFrame) -> str:
    """The sheet as one HTML file: keeps what is filled in in the browser, and gives it back as a CSV file."""
    script = _asset("sheet.js")
    pairs = [
        {"pair": pair} | {name: visible(text) for name, text in zip(_SHOWN[2:], texts, strict=True)}
        for pair, *texts in key.select(_SHOWN[1:]).iter_rows()
    ]
    return _TEMPLATES.get_template("sheet.html").render(
        script=Markup(script),
        script_hash=script_hash(script),
        style=Markup(_asset("sheet.css")),
        labels=LABELS,
        sheet={"sheet": key["sheet"][0], "pairs": pairs},
    )


def read_sheet(sheet: Path, key: Path) -> pl.DataFrame:
    """The key's rows with the `human_stance` (one of LABELS) and `note` of a filled sheet.

    sheet: the filled sheet.csv, or what the form saved; only `sheet, pair, human_stance` and `note` are read.
    Raises DataError with file, row and field for a sheet of another key, a pair that is unknown, double or missing,
    and a stance that is missing or none of LABELS; ArtifactError if a file is missing.
    """
    if not key.is_file():
        raise ArtifactError(key, "no such file", "the key that was written beside the sheet")
    table = pl.read_parquet(key)
    rows = list(read_rows(sheet))
    _require_complete(sheet, rows, table)
    filled = [
        {"pair": _pair(sheet, number, row), "human_stance": _label(sheet, number, row), "note": row.get("note") or ""}
        for number, row in rows
    ]
    answers = pl.DataFrame(filled, schema={"pair": table.schema["pair"], "human_stance": pl.String, "note": pl.String})
    return table.join(answers, on="pair", how="left", maintain_order="left")


def _require_complete(sheet: Path, rows: Sequence[NumberedRow], key: pl.DataFrame) -> None:
    name, known = key["sheet"][0], set(key["pair"])
    seen: set[int] = set()
    for number, row in rows:
        if row.get("sheet") != name:
            do = "Give the key that was written with this sheet, and the sheet as CSV with commas."
            raise DataError(sheet, number, "sheet", row.get("sheet"), f"'{name}', as in the key", do)
        pair = _pair(sheet, number, row)
        if pair not in known or pair in seen:
            raise DataError(sheet, number, "pair", pair, f"each pair from 1 to {len(known)} once")
        seen.add(pair)
    blank = [number for number, row in rows if not (row.get("human_stance") or "").strip()]
    if blank:
        found = f"no stance ({len(blank)} of {len(known)} rows have none)"
        raise DataError(sheet, blank[0], "human_stance", found, f"one of {', '.join(LABELS)}", "Fill in the rest.")
    if seen != known:
        missing = sorted(known - seen)
        raise DataError(sheet, None, "pair", f"{len(missing)} pairs missing, first {missing[0]}", "every pair once")


def _pair(sheet: Path, number: int, row: Row) -> int:
    text = str(row.get("pair") or "").strip()
    if not (text.isascii() and text.isdigit()):
        raise DataError(sheet, number, "pair", row.get("pair"), "the number of a pair")
    return int(text)


def _label(sheet: Path, number: int, row: Row) -> str:
    label = str(row["human_stance"]).strip().lower()
    if label not in LABELS:
        raise DataError(sheet, number, "human_stance", row["human_stance"], f"one of {', '.join(LABELS)}")
    return label


def _asset(name: str) -> str:
    return resources.files("valuedrift.judge_checks").joinpath("templates", name).read_text(encoding="utf-8")
