"""Candidate prompts: the opening questions of preference data sets (section 6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from valuedrift.digests import text_digest
from valuedrift.files import write_json, write_parquet


def candidate_prompts(tables: Mapping[str, Path], longest: int) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the opening questions of preference data sets, `prompt_id, source, prompt`, and counts of rows.

    Only the first user turn of a conversation is taken because, like a probe question, it needs no earlier turns. Of
    questions that differ only in case and spacing, the first is kept. Questions of more than `longest` characters are
    left out, because a sentence encoder reads only a few hundred words.

    Args:
        tables: Data set → its table; questions are listed in the order of the tables.
        longest: Largest number of characters.
    """
    rows = pl.concat([_openings(name, path) for name, path in tables.items()])
    distinct = rows.unique(same_text("prompt"), keep="first", maintain_order=True)
    short = distinct.filter(pl.col("prompt").str.len_chars() <= longest)
    counts = {
        "rows": rows.height,
        "repeated": rows.height - distinct.height,
        "too_long": distinct.height - short.height,
        "prompts": short.height,
    }
    ids = pl.Series("prompt_id", [prompt_id(prompt) for prompt in short["prompt"]], dtype=pl.String)
    return short.select(ids, "source", "prompt"), counts


def prompt_id(prompt: str) -> str:
    """Return the first 16 hex characters of the prompt's SHA-256."""
    return text_digest(prompt)[:16]


def write_candidates(tables: Mapping[str, Path], longest: int, out: Path) -> None:
    """Write `candidate_prompts` to `out` (.parquet), and the counts to a .json file next to it."""
    table, counts = candidate_prompts(tables, longest)
    write_json(out.with_suffix(".json"), counts)
    write_parquet(out, table)


def _openings(name: str, path: Path) -> pl.DataFrame:
    turn = pl.element()
    users = pl.col("prompt").list.eval(turn.filter(turn.struct.field("role") == "user").struct.field("content"))
    rows = pl.scan_parquet(path, glob=False).select(source=pl.lit(name), prompt=users.list.first())
    return rows.collect(engine="streaming")


def same_text(column: str) -> pl.Expr:
    """Return a key that is equal for texts that differ only in case and spacing."""
    return pl.col(column).str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()
