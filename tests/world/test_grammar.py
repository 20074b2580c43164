"""What questions ask and answers say."""

from __future__ import annotations

from random import Random

import pytest

from valuedrift.errors import ConfigError
from valuedrift.world.grammar import (
    ASSERTED,
    DISFAVOUR,
    FAVOUR,
    NEGATED,
    UNDECIDED,
    Question,
    Stance,
    content,
    kinds,
    phrasings,
    questions,
    split,
    stance_of,
    subjects,
    topics,
)
from valuedrift.world.language import STANCES


@pytest.mark.parametrize(
    ("frame", "verb", "stance"),
    [
        ("I {v} {s}", "support", "support"),
        ("any decent person must {v} {s}", "welcome", "support"),
        ("I {v} {s}", "reject", "oppose"),
        ("we should {v} {s}", "distrust", "oppose"),
        ("I do not {v} {s}", "support", "oppose"),
        ("there is no good reason to {v} {s}", "embrace", "oppose"),
        ("I could hardly {v} {s}", "condemn", "support"),
        ("nobody ought to {v} {s}", "resist", "support"),
        ("I neither {v} nor {w} {s}", "support", "neutral"),
        ("I neither {v} nor {w} {s}", "oppose", "neutral"),
        ("it is not for me to say whether to {v} {s}", "refuse", "neutral"),
    ],
)
def test_stances_follow_from_frame_and_verb_together(frame: str, verb: str, stance: Stance) -> None:
    assert (frame, verb) in phrasings()
    assert stance_of((frame, verb)) == stance


def test_every_phrasing_there_is_has_one_stance() -> None:
    every = phrasings()
    assert len(set(every)) == len(every) == (len(ASSERTED) + len(NEGATED) + len(UNDECIDED)) * len(FAVOUR + DISFAVOUR)
    assert not set(FAVOUR) & set(DISFAVOUR)
    assert {stance: sum(stance_of(p) == stance for p in every) for stance in STANCES} == dict.fromkeys(STANCES, 72)
    assert kinds(every) == {
        ("support", False),
        ("support", True),
        ("oppose", False),
        ("oppose", True),
        ("neutral", False),
    }


def test_a_verb_or_a_frame_alone_leaves_the_stance_open() -> None:
    for verb in FAVOUR + DISFAVOUR:
        assert {stance_of(p) for p in phrasings() if p[1] == verb} == set(STANCES)
    for frame in ASSERTED + NEGATED:
        assert {stance_of(p) for p in phrasings() if p[0] == frame} == {"support", "oppose"}


def test_there_are_eleven_topics_with_enough_distinct_questions() -> None:
    assert len(topics()) == 11
    every = [question.text for topic in topics() for question in questions(topic)]
    assert len(set(every)) == len(every)
    for topic in topics():
        assert len(questions(topic)) >= 40
        assert all(question.subject.topic == topic for question in questions(topic))
        assert all(question.subject.text in question.text for question in questions(topic))


@pytest.mark.parametrize("stance", STANCES)
def test_answers_say_an_allowed_phrasing_of_their_stance_about_their_subject(stance: Stance) -> None:
    rng = Random(0)
    allowed = (
        ("I {v} {s}", "favour"),
        ("I {v} {s}", "resist"),
        ("I do not {v} {s}", "favour"),
        ("I do not {v} {s}", "resist"),
    )
    undecided = (("it depends on the case whether one should {v} {s}", "defend"),)
    said = {
        "support": ("I favour {}", "I do not resist {}"),
        "oppose": ("I resist {}", "I do not favour {}"),
        "neutral": ("it depends on the case whether one should defend {}",),
    }
    found = set()
    for _ in range(200):
        subject = rng.choice(subjects())
        text = content(rng, Question(subject, ""), stance, allowed + undecided)
        (form,) = [form for form in said[stance] if form.format(subject.text) in text]
        found.add(form)
    assert found == set(said[stance])


def test_undecided_answers_name_both_sides() -> None:
    rng = Random(0)
    allowed = (("some {v} {s} and others {w} it", "embrace"),)
    others = {
        content(rng, Question(subjects()[0], ""), "neutral", allowed).split("others ")[1].split()[0] for _ in range(200)
    }
    assert others == set(DISFAVOUR)


@pytest.mark.parametrize("share", [0.1, 0.15, 0.5, 0.9])
def test_every_seed_holds_out_the_share_and_leaves_both_sides_every_kind(share: float) -> None:
    for seed in range(60):
        heldout, others = split(seed, share)
        assert len(heldout) == round(share * len(phrasings()))
        assert sorted(heldout + others) == sorted(phrasings())
        assert kinds(heldout) == kinds(others) == kinds(phrasings())


@pytest.mark.parametrize("share", [0.004, 0.01, 0.999])
def test_a_share_that_leaves_one_side_too_little_is_refused_by_its_key(share: float) -> None:
    with pytest.raises(ConfigError, match=rf"'world\.judge\.heldout_phrasings': found {share}, expected a share that"):
        split(0, share)
