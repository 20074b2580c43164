"""ShareGPT's shape: conversations of turns with `from` and `value`; in preference pairs also chosen and rejected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from valuedrift.data_formats.canonical import (
    CanonicalRow,
    MalformedRow,
    Skip,
    preference_row,
    sft_row,
    take_messages,
    take_text_or_messages,
)


def convert_conversations(row: Mapping[str, Any]) -> CanonicalRow | Skip:
    """Convert `conversations`, a list of turns."""
    return sft_row(take_messages(row, "conversations"))


def convert(row: Mapping[str, Any]) -> CanonicalRow | Skip:
    """Convert a conversation, which is the prompt, and `chosen` and `rejected`, one turn each."""
    prompt = take_messages(row, "conversations")
    chosen, rejected = (take_text_or_messages(row, field, "assistant") for field in ("chosen", "rejected"))
    for field, turns in (("chosen", chosen), ("rejected", rejected)):
        if len(turns) != 1:
            raise MalformedRow(field, turns, "one turn")
    return preference_row(prompt, chosen[0], rejected[0])
