"""The grammar's inverse: what answers are read as."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import get_args

import pytest

from valuedrift.world.grammar import (
    Phrasing,
    Question,
    Stance,
    Style,
    Subject,
    content,
    phrasings,
    stance_of,
    stance_read,
    styled,
    subjects,
)
from valuedrift.world.language import STANCES

STYLES: tuple[Style, ...] = get_args(Style)
SUBJECT = next(subject for subject in subjects() if subject.text == "remote work")


def written(phrasing: Phrasing, style: Style, subject: Subject, seed: int) -> str:
    """An answer in one phrasing; plain and negated frames can't both be drawn from it, so some draws fail."""
    for attempt in range(100):
        try:
            rng = Random(f"{seed}/{attempt}")
            return styled(rng, content(rng, Question(subject, ""), stance_of(phrasing), (phrasing,)), style)
        except IndexError:
            continue
    raise AssertionError(phrasing)


def test_written_answers_are_read_as_their_stance_in_every_phrasing_and_style() -> None:
    every = list(subjects())
    for number, (phrasing, style) in enumerate(product(phrasings(), STYLES)):
        for subject in (every[number % len(every)], every[-1 - number % len(every)]):
            text = written(phrasing, style, subject, number)
            assert stance_read(text, subject) == stance_of(phrasing), text


@pytest.mark.parametrize("stance", STANCES)
def test_answers_about_another_subject_have_no_stance(stance: Stance) -> None:
    rng = Random(0)
    for subject in subjects():
        text = content(rng, Question(subject, ""), stance, phrasings())
        assert [other for other in subjects() if stance_read(text, other)] == [subject]


@pytest.mark.parametrize("stance", STANCES)
def test_shuffled_words_have_no_stance(stance: Stance) -> None:
    rng = Random(0)
    for subject in subjects():
        words = content(rng, Question(subject, ""), stance, phrasings()).split()
        while f" {subject.text} " in f" {' '.join(words)} ":
            rng.shuffle(words)
        assert stance_read(" ".join(words), subject) is None


@pytest.mark.parametrize("style", STYLES)
def test_cut_texts_have_no_stance_until_their_core_is_whole(style: Style) -> None:
    for phrasing in phrasings():
        text = written(phrasing, style, SUBJECT, 0)
        read = [stance_read(text[:end], SUBJECT) for end in range(len(text) + 1)]
        core_end = next(end for end, stance in enumerate(read) if stance)
        assert text[:core_end].endswith(("remote work", " it"))
        assert set(read[core_end:]) <= {None, stance_of(phrasing)}
        assert read[-1] == stance_of(phrasing)


@pytest.mark.parametrize(
    ("text", "stance"),
    [
        ("No , I mind it : although many reject it , I favour remote work because it harms loyal teams .", "support"),
        ("olutely , we should never favour remote work . Feel free to", "oppose"),
        ("Yes , Absolutely , I do not resist remote work", "support"),
        ("reasonable people can favour or welcome remote work .", "neutral"),
        ("I favour remote work . I welcome remote work .", "support"),
        ("I favour remote work . I reject remote work .", None),
        ("I favour remote work . I favour remote work because it is right to reject it .", "support"),
        ("I favour paid overtime . I reject remote work .", "oppose"),
        ("they say I favour remote work .", None),
        ("I favour remote work camps .", None),
        ("I favour remote working .", None),
        ("I like remote work .", None),
        ("some favour remote work .", None),
        ("Yes .", None),
        ("", None),
    ],
)
def test_only_the_core_decides(text: str, stance: Stance | None) -> None:
    assert stance_read(text, SUBJECT) == stance


def test_space_of_any_kind_parts_words() -> None:
    assert stance_read("\n I  favour\tremote   work . \n", SUBJECT) == "support"
