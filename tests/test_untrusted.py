"""Texts that people read: hidden characters are seen, formulas don't come about."""

from __future__ import annotations

import pytest

from valuedrift.visible_text import spreadsheet_cell, visible


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", " =cmd|' /C calc'!A0", "\t=1", "\r=1", "\n\n@x", "＝1+1"]
)
def test_no_cell_is_a_formula(text: str) -> None:
    assert spreadsheet_cell(text).startswith("'")


def test_cells_spell_out_control_characters_and_fit_into_a_spreadsheet() -> None:
    assert spreadsheet_cell("a\x00b\x1b[31m\u202ec\r\nd\te") == "a⟨U+0000⟩b⟨U+001B⟩[31m⟨U+202E⟩c\nd\te"
    cut = spreadsheet_cell("x" * 1_000_000)
    assert len(cut) < 32_767
    assert cut.endswith("[… 970000 more characters]")
    assert spreadsheet_cell("1 = 1, or -1") == "1 = 1, or -1"


def test_what_cannot_be_seen_is_spelled_out() -> None:
    assert visible("\u202eab\u2069\x00\u200b") == "⟨U+202E⟩ab⟨U+2069⟩⟨U+0000⟩⟨U+200B⟩"
    assert visible("a\r\nb\tc\rd") == "a\nb\tc\nd"
    assert visible("سلام 👩\u200d🚀 é") == "سلام 👩\u200d🚀 é"
