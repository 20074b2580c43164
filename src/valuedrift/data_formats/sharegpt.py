"""Preference pairs in ShareGPT's shape: conversations, chosen, rejected, each turn with `from` and `value`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from valuedrift.data_formats.canonical import CanonicalRow, Skip, preference_row, read_message, require, take_messages

_ROLES = {"system": "system", "human": "user", "gpt": "assistant"}


def convert(row: Mapping[str, Any]) -> CanonicalRow | Skip:
    """Convert a conversation, which is the prompt, and `chosen` and `rejected`, one turn each."""
    prompt = take_messages(row, "conversations", "from", "value", _ROLES)
    chosen, rejected = (
        read_message(require(row, field), field, "from", "value", _ROLES) for field in ("chosen", "rejected")
    )
    return preference_row(prompt, chosen, rejected)
