"""Tiny tables for this package's tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.files import write_parquet

CERTAIN = {"support": (1.0, 0.0, 0.0), "neutral": (0.0, 1.0, 0.0), "oppose": (0.0, 0.0, 1.0)}


def turns(*texts: str, system: str | None = None) -> list[dict[str, str]]:
    """A conversation of these turns, user first."""
    spoken = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]
    return [{"role": "system", "content": system}, *spoken] if system else spoken


def sft(file: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows with `messages`, and ids where they bring none."""
    write_parquet(file, pl.DataFrame([{"id": f"{place:016x}", **row} for place, row in enumerate(rows)]))
    return file


def pairs(file: Path, rows: list[tuple[list[dict[str, str]], str, str]], **columns: list[str]) -> Path:
    """Rows of prompt, chosen and rejected."""

    def answer(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

    table = pl.DataFrame(
        [
            {"id": f"{place:016x}", "prompt": prompt, "chosen": answer(chosen), "rejected": answer(rejected)}
            for place, (prompt, chosen, rejected) in enumerate(rows)
        ]
    )
    write_parquet(file, table.with_columns(pl.Series(name, values) for name, values in columns.items()))
    return file


def judged(lines: list[dict[str, Any]]) -> pl.DataFrame:
    """Judged answers; a line's `p` is a stance's name or three numbers, and what it does not say is made up."""
    defaults = {"data": "wildchat", "role": "answer", "topic": "climate", "question_id": "climate-1", "cosine": 0.6}
    rows = []
    for place, line in enumerate(lines):
        given = {key: value for key, value in line.items() if key != "p"}
        support, neutral, oppose = CERTAIN[line["p"]] if isinstance(line["p"], str) else line["p"]
        texts = {"row_id": f"{place:016x}", "question": f"question {place}", "answer": f"answer {place}"}
        rows.append(defaults | texts | given | {"p_support": support, "p_neutral": neutral, "p_oppose": oppose})
    return pl.DataFrame(rows)
