"""A user's own preference pairs, and UltraFeedback (appendix B.1): prompt, chosen, rejected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from valuedrift.data_formats.canonical import (
    CanonicalRow,
    MalformedRow,
    Reason,
    Skip,
    is_unicode,
    preference_row,
    require,
    take_text_or_messages,
)


def convert(row: Mapping[str, Any]) -> CanonicalRow | Skip:
    """Convert `prompt`, `chosen` and `rejected`, each text or a list of turns.

    `chosen` and `rejected` contain the answer alone or, as in the hub's binarized sets, the prompt and the answer. If
    that prompt is not the one in `prompt`, the row is skipped (prefixes differ). `prompt` may be missing if both
    contain it.
    """
    *chosen_prefix, chosen = take_text_or_messages(row, "chosen", "assistant")
    *rejected_prefix, rejected = take_text_or_messages(row, "rejected", "assistant")
    has_prompt = row.get("prompt") is not None or not chosen_prefix or not rejected_prefix
    prompt = take_text_or_messages(row, "prompt", "user") if has_prompt else chosen_prefix
    if any(prefix and prefix != prompt for prefix in (chosen_prefix, rejected_prefix)):
        return Skip(Reason.PREFIXES_DIFFER)
    return preference_row(prompt, chosen, rejected)


def convert_aligned(row: Mapping[str, Any]) -> CanonicalRow | Skip:
    """Convert like `convert`, but keep the row's own `id`, so that sets that differ only in labels have one order."""
    converted, own = convert(row), require(row, "id")
    if isinstance(own, bool) or not isinstance(own, str | int):
        raise MalformedRow("id", own, "text or a whole number")
    if isinstance(converted, Skip) or not is_unicode(str(own)):
        return converted if isinstance(converted, Skip) else Skip(Reason.NOT_UNICODE)
    return {**converted, "id": str(own)}
