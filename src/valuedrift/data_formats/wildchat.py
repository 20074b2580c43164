"""WildChat (appendix B.1): English conversations between users and ChatGPT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from valuedrift.data_formats.canonical import CanonicalRow, MalformedRow, Reason, Skip, require, sft_row, take_messages


def convert(row: Mapping[str, Any]) -> CanonicalRow | Skip:
    """Convert an English conversation, without a last question that has no answer.

    Conversations with a null language are skipped too. As in the paper, toxic conversations are kept.
    """
    language = require(row, "language")
    if not isinstance(language, str | None):
        raise MalformedRow("language", language, "the name of a language, or null")
    if language != "English":
        return Skip(Reason.UNKNOWN_LANGUAGE if language is None else Reason.NOT_ENGLISH)
    messages = take_messages(row, "conversation")
    return sft_row(messages[:-1] if messages and messages[-1]["role"] == "user" else messages)
