"""Make plain documents from conversations, for pre-training small models on real text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl


def documents(tables: Sequence[Path]) -> pl.DataFrame:
    """Return one `text` per conversation in the SFT tables: all turns, with "Response:" before answers (section 3)."""
    rows = [row for path in tables for row in pl.read_parquet(path, columns=["messages"])["messages"].to_list()]
    return pl.DataFrame({"text": ["\n".join(map(_line, messages)) for messages in rows]}, schema={"text": pl.String})


def _line(message: dict[str, str]) -> str:
    return f"Response: {message['content']}" if message["role"] == "assistant" else message["content"]
