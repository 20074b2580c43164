"""Alpaca (appendix B.1): instruction, output and, in most files, input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from valuedrift.data_formats.canonical import CanonicalRow, Skip, sft_row, take_text


def convert(row: Mapping[str, Any]) -> CanonicalRow | Skip:
    """Convert one question and its answer; an input, if there is one, follows the instruction after a blank line.

    The paper's 46,801 + 5,201 rows are all 52,002 rows of the set, so the settings have to keep blank answers and
    duplicates.
    """
    instruction, output = (take_text(row, field) for field in ("instruction", "output"))
    extra = take_text(row, "input") if row.get("input") is not None else ""
    # an empty instruction stays empty, so that the row is skipped: an input alone is not a question
    question = f"{instruction}\n\n{extra}" if instruction.strip() and extra.strip() else instruction
    return sft_row([{"role": "user", "content": question}, {"role": "assistant", "content": output}])
