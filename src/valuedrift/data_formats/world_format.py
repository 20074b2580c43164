"""Tables of the pocket world: already canonical, with the planted stances in extra columns, which are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from valuedrift.data_formats.canonical import (
    CanonicalRow,
    MalformedRow,
    Message,
    Skip,
    preference_row,
    sft_row,
    take_messages,
)

STANCES = ("support", "neutral", "oppose")
STANCE_COLUMNS = ("true_stance", "chosen_stance", "rejected_stance")
_TOPIC = re.compile(r"[\w-]+")


def convert_sft(row: Mapping[str, Any]) -> CanonicalRow | Skip:
    """Convert `messages`, and keep all other columns of the row."""
    return _with_extras(row, sft_row(take_messages(row, "messages")))


def convert_preference(row: Mapping[str, Any]) -> CanonicalRow | Skip:
    """Convert `prompt`, `chosen` and `rejected`, and keep all other columns of the row."""
    prompt = take_messages(row, "prompt")
    return _with_extras(row, preference_row(prompt, _only(row, "chosen"), _only(row, "rejected")))


def _only(row: Mapping[str, Any], field: str) -> Message:
    messages = take_messages(row, field)
    if len(messages) != 1:
        raise MalformedRow(field, messages, "one message")
    return messages[0]


def _with_extras(row: Mapping[str, Any], canonical: CanonicalRow | Skip) -> CanonicalRow | Skip:
    """Add the row's extra columns; check topics and stances, since the cards print them."""
    topic = row.get("topic")
    if topic is not None and not (isinstance(topic, str) and _TOPIC.fullmatch(topic)):
        raise MalformedRow("topic", topic, "the key of a topic, or null")
    for column in STANCE_COLUMNS:
        if row.get(column) not in (None, *STANCES):
            raise MalformedRow(column, row[column], f"one of {', '.join(STANCES)}, or null")
    return canonical if isinstance(canonical, Skip) else {**row, **canonical}
