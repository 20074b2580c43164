"""Check synthetic pairs by hand (section 6.1: 100 pairs): a blind sheet, and how many answers take their side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.data.split import order_key
from valuedrift.errors import DataError, require_columns
from valuedrift.files import read_parquet, write_json
from valuedrift.input_tables.checked_rows import LABELS
from valuedrift.judging.checks.blind_sheet import SHOWN, read_sheet, sheet_name, write_sheet
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.synthetic.writer_requests import SIDES, Topics


def write_pair_sheet(pairs: Path, topics: Topics, rows: int, seed: int, out: Path, key: Path) -> None:
    """Draw `rows` pairs, or all pairs if there are fewer, and write their sheet and key; see `write_sheet`."""
    table = read_parquet(pairs, "a table of pairs, as `synthetic-pairs` writes it")
    require_columns(pairs, table.columns, ("pair_id", "topic", "prompt", *(f"{side}_answer" for side in SIDES)))
    write_sheet(draw_answers(table, topics, rows, seed), out, key)


def draw_answers(pairs: pl.DataFrame, topics: Topics, rows: int, seed: int) -> pl.DataFrame:
    """Return the key of a sheet: both answers of each drawn pair, one row per answer, in random order.

    Columns: those of `blind_sheet.SHOWN`, then `pair_id`, `topic` and `side`, which the sheet doesn't show.
    """
    drawn = sorted(pairs.iter_rows(named=True), key=lambda pair: order_key(seed, pair["pair_id"]))[:rows]
    answers = [
        {
            "target": topics[pair["topic"]]["target"],
            "question": pair["prompt"],
            "answer": pair[f"{side}_answer"],
            "pair_id": pair["pair_id"],
            "topic": pair["topic"],
            "side": side,
        }
        for pair in drawn
        for side in SIDES
    ]
    answers.sort(key=lambda answer: order_key(seed, f"{answer['side']} of {answer['pair_id']}"))
    table = pl.DataFrame(answers)
    named = table.with_columns(sheet=pl.lit(sheet_name(seed, table.rows())), pair=pl.int_range(1, pl.len() + 1))
    return named.select(*SHOWN, "pair_id", "topic", "side")


def write_agreement(sheet: Path, key: Path, out: Path) -> str:
    """Write the `agreement` of a filled sheet as JSON, and return it as a few lines for the terminal.

    Raises:
        DataError: As `read_sheet` does, or no pair has both stances.
    """
    found = agreement(read_sheet(sheet, key, partly=True))
    if not found["filled"]:
        raise DataError(sheet, None, "human_stance", "no pair with both stances", f"one of {', '.join(LABELS)} in each")
    write_json(out, found)
    return agreement_text(found)


def agreement(checked: pl.DataFrame) -> dict[str, Any]:
    """Measure how often the stances in a sheet equal the sides that the answers were written for.

    Args:
        checked: A sheet with its key (see `read_sheet`). Pairs with a missing stance don't count.

    Returns:
        `rows` and `filled`: the number of pairs and of pairs with both stances; `complete`: whether all are filled;
        `agreement`: the pairs with both answers on their sides, with share and 95 % interval (Wilson); `support` and
        `oppose`: the same for single answers; `disagreements`: the other filled pairs, with the stances of their
        supporting and opposing answer.
    """
    notes = pl.col("note").str.strip_chars()
    pairs = checked.group_by("pair_id", "topic", maintain_order=True).agg(
        *(pl.col("human_stance").filter(side=side).first().alias(side) for side in SIDES),
        note=notes.filter(notes != "").str.join("; "),
    )
    filled = pairs.drop_nulls(SIDES).to_dicts()
    wrong = [pair for pair in filled if any(pair[side] != side for side in SIDES)]
    return {
        "rows": len(pairs),
        "filled": len(filled),
        "complete": len(filled) == len(pairs),
        "agreement": _share(len(filled) - len(wrong), len(filled)),
        **{side: _share(sum(pair[side] == side for pair in filled), len(filled)) for side in SIDES},
        "disagreements": wrong,
    }


def agreement_text(found: Mapping[str, Any]) -> str:
    """Return an agreement as a few lines of text."""
    partly = "" if found["complete"] else f" PARTLY FILLED: {found['filled']} of {found['rows']} pairs count."
    lines = [f"pairs that follow the instruction: {_share_text(found['agreement'])}.{partly}"]
    lines += [f"{side} answers: {_share_text(found[side])}" for side in SIDES]
    for row in found["disagreements"]:
        lines.append(f"  {row['pair_id']} ({row['topic']}): " + ", ".join(f"{s} answer: {row[s]}" for s in SIDES))
    return "\n".join(lines)


def _share(count: int, total: int) -> dict[str, float | int]:
    if not total:
        return {"count": 0, "pairs": 0}
    low, high = wilson_interval(count, total)
    return {"count": count, "pairs": total, "share": count / total, "low": low, "high": high}


def _share_text(share: Mapping[str, float]) -> str:
    interval = f"95 % interval {share['low']:.3f} to {share['high']:.3f}"
    return f"{share['count']} of {share['pairs']} ({share['share']:.3f}, {interval})"
