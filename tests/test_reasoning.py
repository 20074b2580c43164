"""Reasoning is separated from answers and replies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valuedrift.reasoning import MARKS, Separated, opening_of, separate

CASES = {
    "none": ("Yes, because.", "", Separated("Yes, because.", None, False)),
    "before the answer": ("<think>\nHm.\n</think>\n\nYes.", "", Separated("Yes.", "Hm.", False)),
    "begun by the prompt": ("Hm.</think>Yes.", "assistant\n<think>\n", Separated("Yes.", "Hm.", False)),
    "begun by a prompt that is not known": ("Hm.</think>Yes.", "", Separated("Yes.", "Hm.", False)),
    "without a word": ("<think>\n\n</think>\n\nYes.", "", Separated("Yes.", "", False)),
    "ended by the prompt": ("Yes.", "assistant\n<think>\n\n</think>\n\n", Separated("Yes.", None, False)),
    "unclosed": ("<think>Hm. Hm.", "", Separated("", "Hm. Hm.", True)),
    "unclosed, begun by the prompt": ("Hm. Hm.", "<think>", Separated("", "Hm. Hm.", True)),
    "unclosed after words": ("Well. <think>Hm.", "", Separated("Well.", "Hm.", True)),
    "closed, and then nothing": ("<think>Hm.</think>", "", Separated("", "Hm.", False)),
    "twice": ("<think>A</think> Yes. <think>B</think> Or no.", "", Separated("Yes.  Or no.", "A\n\nB", False)),
    "another mark within it": ("<think>a [THINK] b</think>Yes.", "", Separated("Yes.", "a [THINK] b", False)),
    "two ends": ("<think>a</think> b </think> Yes.", "", Separated("Yes.", "a\n\nb", False)),
    "channels": (
        "<|channel|>analysis<|message|>Hm.<|channel|>final<|message|>Yes.",
        "",
        Separated("Yes.", "Hm.", False),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_reasoning_is_separated(name: str) -> None:
    text, prompt, expected = CASES[name]
    assert separate(text, prompt) == expected


@pytest.mark.parametrize("mark", MARKS)
def test_all_known_marks_are_read(mark: str) -> None:
    assert separate(f"{mark}Hm.{MARKS[mark]}Yes.") == Separated("Yes.", "Hm.", False)
    assert opening_of(f"assistant{mark}\n") == mark


def test_marks_can_be_others() -> None:
    assert separate("<hm>a</hm>b").answer == "<hm>a</hm>b"
    assert separate("<hm>a</hm>b", marks={**MARKS, "<hm>": "</hm>"}) == Separated("b", "a", False)


PIECES = st.lists(st.sampled_from([*MARKS, *MARKS.values(), "Yes.", "Well,", " "]), max_size=8).map("".join)


@given(text=PIECES, prompt=st.sampled_from(["", "<think>"]))
def test_no_word_is_lost_or_invented_and_no_answer_contains_a_mark(text: str, prompt: str) -> None:
    found = separate(text, prompt)
    assert not any(mark in found.answer for mark in [*MARKS, *MARKS.values()])
    words = found.answer + (found.reasoning or "")
    assert all(words.count(word) == text.count(word) for word in ("Yes.", "Well,"))
    assert not found.unclosed or found.reasoning is not None
