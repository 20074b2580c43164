"""Make texts of models and data sets safe to show: hidden characters are spelled out, and no cell is a formula."""

from __future__ import annotations

import re

# Control characters except tab and newline, direction marks, zero-width blanks, and tags.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\U000e0000-\U000e007f]"
)
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
_LONGEST_CELL = 30_000  # characters; spreadsheets silently cut cells at 32,767


def visible(text: str) -> str:
    """Return `text` with invisible characters and direction marks spelled out, as in ⟨U+202E⟩."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", plain)


def spreadsheet_cell(text: str) -> str:
    """Return `text` for a cell of a CSV file: visible, short enough, and never a formula (OWASP, CSV injection)."""
    shown = visible(text)
    if len(shown) > _LONGEST_CELL:
        shown = f"{shown[:_LONGEST_CELL]} [… {len(shown) - _LONGEST_CELL} more characters]"
    return f"'{shown}" if _FORMULA.match(shown) else shown
