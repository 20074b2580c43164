"""Texts of models and data sets for people: hidden characters are spelled out, formulas don't come about."""

from __future__ import annotations

import re

# Control characters but tab and newline, marks that turn the direction of text, blanks without width, and tags.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\U000e0000-\U000e007f]"
)
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
_LONGEST_CELL = 30_000  # characters: spreadsheets cut cells at 32,767 without a word


def visible(text: str) -> str:
    """`text` with the characters that can't be seen, or turn the direction of others, spelled out as ⟨U+202E⟩."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", plain)


def spreadsheet_cell(text: str) -> str:
    """`text` for a cell of a CSV file: visible, of a length that fits, and never a formula (OWASP, CSV injection)."""
    shown = visible(text)
    if len(shown) > _LONGEST_CELL:
        shown = f"{shown[:_LONGEST_CELL]} [… {len(shown) - _LONGEST_CELL} more characters]"
    return f"'{shown}" if _FORMULA.match(shown) else shown
