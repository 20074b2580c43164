"""A user's own conversations: a list of messages, or a prompt and its completion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from valuedrift.data_formats.canonical import CanonicalRow, Skip, sft_row, take_messages, take_text_or_messages


def convert_messages(row: Mapping[str, Any]) -> CanonicalRow | Skip:
    """Convert `messages`, a list of turns with `role` and `content`."""
    return sft_row(take_messages(row, "messages"))


def convert_prompt_completion(row: Mapping[str, Any]) -> CanonicalRow | Skip:
    """Convert `prompt` and `completion`, each text or a list of turns."""
    return sft_row(
        [*take_text_or_messages(row, "prompt", "user"), *take_text_or_messages(row, "completion", "assistant")]
    )
