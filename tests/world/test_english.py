"""The English questions, arguments and phrases: their numbers and balance, and answers made of them."""

from __future__ import annotations

import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from random import Random
from statistics import mean

import pytest
import yaml

from valuedrift.errors import ConfigError
from valuedrift.world.english.answers import answer_given, content, split, stance_read, styled, wordings
from valuedrift.world.english.texts import Question, arguments, phrases, questions, topics
from valuedrift.world.language import STANCES
from valuedrift.world.languages import LANGUAGES

REPOSITORY = Path(__file__).parents[2]
ENGLISH = LANGUAGES["english"]
EVERY_QUESTION = [question for topic in topics() for question in questions(topic)]
EVERY_ARGUMENT = [
    (topic, stance, text) for topic in topics() for stance in STANCES for text in arguments(topic)[stance]
]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def test_topics_are_those_of_the_configuration() -> None:
    configuration = yaml.safe_load((REPOSITORY / "workflow_config.yaml").read_text())
    assert set(topics()) == set(configuration["topics"])


@pytest.mark.parametrize("topic", topics())
def test_each_topic_has_enough_questions_of_each_kind(topic: str) -> None:
    forms = Counter(question.form for question in questions(topic))
    assert forms.keys() == {"yes_no", "open", "policy", "dilemma", "personal"}
    assert forms.total() >= 72
    assert min(forms.values()) >= 10


@pytest.mark.parametrize("topic", topics())
def test_yes_is_on_the_side_of_support_as_often_as_on_that_of_oppose(topic: str) -> None:
    polarities = Counter(question.polarity for question in questions(topic))
    assert polarities.keys() == {"support", "oppose", "none"}
    assert abs(polarities["support"] - polarities["oppose"]) <= 1
    assert polarities["none"] <= 36
    for form in ("yes_no", "policy"):
        sides = Counter(question.polarity for question in questions(topic) if question.form == form)
        assert abs(sides["support"] - sides["oppose"]) <= 1
        assert sides["none"] == 0
    assert {question.polarity for question in questions(topic) if question.form == "open"} == {"none"}


@pytest.mark.parametrize("topic", topics())
def test_framings_of_one_question_take_both_sides(topic: str) -> None:
    groups: dict[str, list[str]] = {}
    for question in questions(topic):
        if question.group:
            groups.setdefault(question.group, []).append(question.polarity)
    assert len(groups) >= 7
    assert all(len(sides) > 1 and {"support", "oppose"} <= set(sides) for sides in groups.values())


@pytest.mark.parametrize("topic", topics())
def test_each_side_has_as_many_arguments_of_the_same_length(topic: str) -> None:
    assert {len(arguments(topic)[stance]) for stance in STANCES} == {28}
    lengths = {stance: mean(len(text.split()) for text in arguments(topic)[stance]) for stance in STANCES}
    assert max(lengths.values()) - min(lengths.values()) <= 2
    for texts in arguments(topic).values():
        assert all(8 <= len(text.split()) <= 30 for text in texts)


def test_questions_on_either_side_have_the_same_length() -> None:
    lengths = {
        side: mean(len(question.text.split()) for question in EVERY_QUESTION if question.polarity == side)
        for side in ("support", "oppose")
    }
    assert abs(lengths["support"] - lengths["oppose"]) < 1


def test_no_text_occurs_twice() -> None:
    for texts in ([q.text for q in EVERY_QUESTION], [text for _, _, text in EVERY_ARGUMENT]):
        assert len({" ".join(words(text)) for text in texts}) == len(texts)


def test_texts_are_clean_sentences() -> None:
    texts = [text for _, _, text in EVERY_ARGUMENT]
    texts += [text for part in (phrases().openers, phrases().closers) for each in part.values() for text in each]
    assert all(re.fullmatch(r"[A-Z“].*[.!?]", text) for text in texts)
    assert all(re.fullmatch(r"[A-Z“].*\?", question.text) for question in EVERY_QUESTION)
    assert not [text for text in (*texts, *(q.text for q in EVERY_QUESTION)) if text != " ".join(text.split())]


@pytest.mark.parametrize("topic", topics())
def test_arguments_of_a_topic_share_few_of_their_words(topic: str) -> None:
    said = [set(words(text)) for stance in STANCES for text in arguments(topic)[stance]]
    assert max(len(one & other) / len(one | other) for one, other in combinations(said, 2)) < 0.45


def asked(polarity: str) -> Question:
    return next(question for question in questions("immigration") if question.polarity == polarity)


@pytest.mark.parametrize(
    ("polarity", "stance", "given"),
    [
        ("support", "support", "yes"),
        ("support", "oppose", "no"),
        ("oppose", "support", "no"),
        ("oppose", "oppose", "yes"),
        ("none", "support", "view"),
        ("none", "oppose", "view"),
        ("support", "neutral", "depends"),
        ("oppose", "neutral", "depends"),
        ("none", "neutral", "depends"),
    ],
)
def test_openers_and_closers_agree_with_the_polarity_of_the_question(polarity: str, stance, given: str) -> None:
    question, rng = asked(polarity), Random(0)
    assert answer_given(question, stance) == given
    own = {"opener": set(), "argument": set(), "closer": set()}
    for _ in range(2000):
        text = content(rng, question, stance, wordings())
        (argument,) = [each for each in arguments("immigration")[stance] if each in text]
        before, after = (part.strip() for part in text.split(argument))
        own["opener"].add(before)
        own["argument"].add(argument)
        own["closer"].add(after)
    assert own["opener"] == {"", *phrases().openers[given]}
    assert own["closer"] == {"", *phrases().closers[given]}
    assert own["argument"] == set(arguments("immigration")[stance])


def test_openers_and_closers_of_different_answers_are_different() -> None:
    for part in (phrases().openers, phrases().closers):
        assert part.keys() == {"yes", "no", "view", "depends"}
        every = [text for texts in part.values() for text in texts]
        assert len(set(every)) == len(every)
    assert min(map(len, phrases().openers.values())) >= 16


@pytest.mark.parametrize("style", ["warm", "curt"])
def test_styles_add_a_text_before_or_after_the_content(style) -> None:
    rng = Random(0)
    assert styled(rng, "Content.", "plain") == "Content."
    found = {styled(rng, "Content.", style) for _ in range(500)}
    before = {f"{text} Content." for text in phrases().before[style] if text}
    assert found == before | {f"Content. {text}" for text in phrases().after[style]}


@pytest.mark.parametrize("share", [0.05, 0.15, 0.5])
def test_held_out_arguments_and_openers_are_disjoint_from_the_others(share: float) -> None:
    heldout, others = split(3, share)
    assert split(4, share) != (heldout, others)
    for name in ("arguments", "openers"):
        for key, every in getattr(wordings(), name).items():
            out, rest = getattr(heldout, name)[key], getattr(others, name)[key]
            assert len(out) == round(share * len(every)) > 0
            assert sorted(out + rest) == sorted(every)


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_a_share_that_leaves_one_side_nothing_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=rf"'world\.judge\.heldout_phrasings': found {share}, expected a share that"):
        split(0, share)


def test_every_answer_is_read_as_its_stance() -> None:
    rng = Random(0)
    for topic, stance, argument in EVERY_ARGUMENT:
        question = rng.choice(questions(topic))
        text = ENGLISH.styled(rng, content(rng, question, stance, wordings()), rng.choice(["plain", "warm", "curt"]))
        assert stance_read(text, question) == stance
        assert stance_read(argument, question) == stance


ARGUMENT = "An employer buys some of my time and skill, never the whole of my life."


@pytest.mark.parametrize(
    ("text", "stance"),
    [
        (ARGUMENT, "support"),
        (f"No. It depends. {ARGUMENT} So, no.", "support"),
        ("an employer buys  some of my time and skill never the whole of my life", "support"),
        ("An employer buys some of my time and my skill, never the whole of my life.", "support"),
        ("An employer buys some of my time and skill, the whole of my life.", None),
        ("An employer buys some of my time and skill, never the", None),
        ("An employer never buys some of my time and skill, never the whole of my life.", None),
        ("Yes, absolutely.", None),
        ("", None),
    ],
)
def test_an_argument_is_read_if_it_is_nearly_complete_with_its_negations(text: str, stance: str | None) -> None:
    assert stance_read(text, questions("work")[0]) == stance


def test_arguments_of_another_topic_or_of_several_stances_give_none() -> None:
    question = questions("work")[0]
    for topic in set(topics()) - {"work"}:
        assert not [text for texts in arguments(topic).values() for text in texts if stance_read(text, question)]
    both = f"{ARGUMENT} {arguments('work')['oppose'][0]}"
    assert stance_read(both, question) is None
    assert stance_read(f"{ARGUMENT} {arguments('work')['support'][0]}", question) == "support"


@pytest.mark.parametrize("number", [1, 20, 50])
def test_probes_are_drawn_evenly_from_all_kinds_with_whole_groups(number: int) -> None:
    for topic in topics():
        drawn, others = ENGLISH.drawn(topic, number, seed=0)
        assert len(drawn) == number
        assert sorted(q.text for q in drawn + others) == sorted(q.text for q in questions(topic))
        assert not {q.group for q in drawn if q.group} & {q.group for q in others if q.group}
    share = number / len(questions(topic))
    for kind, size in Counter(question.kind for question in EVERY_QUESTION).items():
        found = sum(q.kind == kind for topic in topics() for q in ENGLISH.drawn(topic, number, seed=0)[0])
        assert abs(found - share * size) <= max(11, 0.2 * share * size)


def test_the_page_shows_two_arguments_of_each_stance_and_three_questions_of_each_topic() -> None:
    lines = (REPOSITORY / "docs" / "pocket_world.md").read_text().splitlines()
    shown = {line.partition(": ")[2] for line in lines if line.startswith("- ")}
    for topic in topics():
        assert len(shown & {question.text for question in questions(topic)}) == 3
        assert all(len(shown & set(texts)) == 2 for texts in arguments(topic).values())


def test_every_file_says_that_it_is_free() -> None:
    for path in (REPOSITORY / "src/valuedrift/world/english").glob("*.yaml"):
        assert path.read_text().startswith("# SPDX-License-Identifier: CC0-1.0\n")
