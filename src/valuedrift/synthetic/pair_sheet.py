"""A sheet of pairs for checking by hand (section 6.1: 100 pairs), and how far a filled one agrees with the sides."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.data.rows import NumberedRow, read_rows
from valuedrift.data.split import order_key
from valuedrift.errors import ArtifactError, DataError
from valuedrift.files import publish, write_json, write_parquet
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.panel import STANCES
from valuedrift.synthetic.writer_requests import SIDES, Topics
from valuedrift.visible_text import spreadsheet_cell

COLUMNS = ("pair_id", "value", "target", "prompt", "answer_a", "answer_b", "stance_a", "stance_b", "note")
KEY = {"pair_id": pl.String, "topic": pl.String, "side_a": pl.String, "side_b": pl.String}

_FILLED = ("stance_a", "stance_b")


def make_sheet(pairs: pl.DataFrame, topics: Topics, rows: int, seed: int) -> tuple[list[dict[str, str]], pl.DataFrame]:
    """The rows of a sheet, and its key: which side each answer is on (`KEY`).

    `rows` pairs, or all where there are fewer, drawn by `seed`. Blind: which answer is a is drawn too, and nothing in
    the sheet says it. stance_a, stance_b and note are empty, to be filled.
    """
    drawn = sorted(pairs.iter_rows(named=True), key=lambda pair: order_key(seed, pair["pair_id"]))[:rows]
    sheet, key = [], []
    for pair in drawn:
        sides = SIDES if int(order_key(seed, f"sides of {pair['pair_id']}")[:8], 16) % 2 else SIDES[::-1]
        topic = topics[pair["topic"]]
        texts = (topic["value"], topic["target"], pair["prompt"], *(pair[f"{side}_answer"] for side in sides))
        sheet.append(dict(zip(COLUMNS, (pair["pair_id"], *map(spreadsheet_cell, texts), "", "", ""), strict=True)))
        key.append((pair["pair_id"], pair["topic"], *sides))
    return sheet, pl.DataFrame(key, schema=KEY, orient="row")


def agreement(filled: Sequence[Mapping[str, str]], key: pl.DataFrame) -> dict[str, Any]:
    """How far the stances in a sheet are the sides that the answers were asked to take.

    filled: pair_id, stance_a, stance_b (empty where not filled), note. Only rows with both stances count.
    Result: rows, filled, complete (all are filled) · agreement: the pairs whose two answers are on their side, with
    share and 95 % interval (Wilson) · support, oppose: the same of single answers · disagreements: a list.
    """
    sides = {row["pair_id"]: row for row in key.iter_rows(named=True)}
    checked = [_checked(row, sides[row["pair_id"]]) for row in filled if all(row[name] for name in _FILLED)]
    wrong = [row for row in checked if any(row[side] != side for side in SIDES)]
    return {
        "rows": key.height,
        "filled": len(checked),
        "complete": len(checked) == key.height,
        "agreement": _share(len(checked) - len(wrong), len(checked)),
        **{side: _share(sum(row[side] == side for row in checked), len(checked)) for side in SIDES},
        "disagreements": wrong,
    }


def read_filled(sheet: Path, key: pl.DataFrame) -> list[dict[str, str]]:
    """pair_id, stance_a, stance_b, note of every row of a filled sheet, stances in lower case or empty.

    Raises DataError, with row and field, for a column that is missing, a pair that is unknown, repeated or missing, a
    stance that is none, and a sheet without a single row that is filled.
    """
    known = set(key["pair_id"])
    rows: dict[str, dict[str, str]] = {}
    for number, row in _rows(sheet):
        name = row["pair_id"].strip()
        if name not in known or name in rows:
            expected = "a pair of the sheet's key, each once"
            raise DataError(sheet, number, "pair_id", name, expected, "Only fill stance_a, stance_b and note.")
        stances = {field: _stance(sheet, number, field, row[field]) for field in _FILLED}
        rows[name] = {"pair_id": name, **stances, "note": row.get("note", "").strip()}
    if len(rows) < len(known):
        missing = ", ".join(sorted(known - set(rows))[:5])
        raise DataError(sheet, None, "pair_id", f"{len(rows)} pairs, without {missing}", f"all {len(known)} of the key")
    if not any(all(row[field] for field in _FILLED) for row in rows.values()):
        raise DataError(sheet, None, "stance_a", "no row with both stances", f"one of {', '.join(STANCES)} in each")
    return list(rows.values())


def write_sheet(pairs: Path, topics: Topics, rows: int, seed: int, out: Path, key: Path) -> None:
    """Write an empty sheet (CSV) and its key (parquet); who fills the sheet should not look into the key."""
    sheet, sides = make_sheet(pl.read_parquet(pairs), topics, rows, seed)
    write_parquet(key, sides)
    # with a byte-order mark: without it Excel takes UTF-8 for the machine's old code page
    with publish(out) as draft, draft.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sheet)


def write_agreement(sheet: Path, key: Path, out: Path) -> str:
    """Write the agreement of a filled sheet (JSON) and return it in a few lines, for the terminal."""
    if not key.is_file():
        raise ArtifactError(key, "no such file", "the key that was written with the sheet")
    sides = pl.read_parquet(key)
    found = agreement(read_filled(sheet, sides), sides)
    write_json(out, found)
    return agreement_text(found)


def agreement_text(found: Mapping[str, Any]) -> str:
    """An agreement in a few lines."""
    partly = "" if found["complete"] else f" PARTLY FILLED: {found['filled']} of {found['rows']} rows count."
    lines = [f"pairs that follow the instruction: {_share_text(found['agreement'])}.{partly}"]
    lines += [f"{side} answers: {_share_text(found[side])}" for side in SIDES]
    for row in found["disagreements"]:
        lines.append(f"  {row['pair_id']} ({row['topic']}): " + ", ".join(f"{s} answer: {row[s]}" for s in SIDES))
    return "\n".join(lines)


def _checked(row: Mapping[str, str], sides: Mapping[str, str]) -> dict[str, str]:
    """The stance found in the answer of each side."""
    found = {sides[f"side_{letter}"]: row[f"stance_{letter}"] for letter in "ab"}
    return {"pair_id": row["pair_id"], "topic": sides["topic"], **found, "note": row["note"]}


def _rows(sheet: Path) -> Iterator[NumberedRow]:
    rows = read_rows(sheet)
    with sheet.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        header = next(csv.reader(file), [])
    missing = [name for name in ("pair_id", *_FILLED) if name not in header]
    if missing:
        do = "Save the sheet as CSV in UTF-8 with commas, and keep its first line."
        raise DataError(sheet, None, "header", header, f"the columns {', '.join(missing)} as well", do)
    return rows


def _stance(sheet: Path, number: int, field: str, text: str) -> str:
    stance = text.strip().lower()
    if stance not in ("", *STANCES):
        raise DataError(sheet, number, field, text, f"one of {', '.join(STANCES)}, or nothing")
    return stance


def _share(count: int, total: int) -> dict[str, float | int]:
    low, high = wilson_interval(count, total)
    return {"count": count, "pairs": total, "share": count / total, "low": low, "high": high}


def _share_text(share: Mapping[str, float]) -> str:
    interval = f"95 % interval {share['low']:.3f} to {share['high']:.3f}"
    return f"{share['count']} of {share['pairs']} ({share['share']:.3f}, {interval})"
