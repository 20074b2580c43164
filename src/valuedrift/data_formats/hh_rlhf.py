"""HH-RLHF (appendix B.1): two transcripts that differ in the last answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from valuedrift.data_formats.canonical import (
    CanonicalRow,
    MalformedRow,
    Message,
    Reason,
    Skip,
    preference_row,
    take_text,
)

_TURN = re.compile(r"\n\n(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def convert(row: Mapping[str, Any]) -> CanonicalRow | Skip:
    """Convert two transcripts: their shared turns are the prompt, their last turns the two answers."""
    chosen, rejected = _turns(row, "chosen"), _turns(row, "rejected")
    if chosen[:-1] != rejected[:-1]:
        return Skip(Reason.PREFIXES_DIFFER)
    return preference_row(chosen[:-1], chosen[-1], rejected[-1])


def _turns(row: Mapping[str, Any], field: str) -> list[Message]:
    """Return the turns of the transcript in `field`; only the space after the colon is not part of their text."""
    head, *parts = _TURN.split(take_text(row, field))
    if head or not parts:
        raise MalformedRow(field, row[field], "a transcript that begins with '\\n\\nHuman:'")
    return [
        {"role": _ROLES[speaker], "content": text.removeprefix(" ")}
        for speaker, text in zip(parts[::2], parts[1::2], strict=True)
    ]
