"""Answers: an opener, an argument and a closer, all on the same side; and the stance of such an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from random import Random
from typing import TypeVar

from valuedrift.config.pocket_world import Stance
from valuedrift.errors import ConfigError
from valuedrift.world.english.texts import Question, arguments, phrases, topics
from valuedrift.world.language import STANCES, Style

K = TypeVar("K")
Texts = tuple[str, ...]

# The share of an argument's words that a text has to contain, in their order, to state it.
_NEAR = 0.85
_WORD = re.compile(r"[a-z0-9]+(?:['’-][a-z0-9]+)*")
_NEGATION = re.compile(r"not?|never|none|nobody|nothing|nor|neither|without|cannot|hardly|.*n['’]t")


@dataclass(frozen=True)
class Wordings:
    """The texts that answers are made of: arguments by topic and stance, openers by the answer that they give."""

    arguments: Mapping[tuple[str, Stance], Texts]
    openers: Mapping[str, Texts]


@cache
def wordings() -> Wordings:
    """Return all arguments and openers."""
    every = {(topic, stance): texts for topic in topics() for stance, texts in arguments(topic).items()}
    return Wordings(every, phrases().openers)


@cache
def split(seed: int, share: float) -> tuple[Wordings, Wordings]:
    """Return the wordings held out from the judge, and the others: this share of each list of texts.

    Raises:
        ConfigError: The share is so near to 0 or 1 that one of the sides has no text of a list.
    """
    every = wordings()
    arguments_out, arguments_in = _divided(every.arguments, f"{seed}/arguments", share)
    openers_out, openers_in = _divided(every.openers, f"{seed}/openers", share)
    return Wordings(arguments_out, openers_out), Wordings(arguments_in, openers_in)


def _divided(lists: Mapping[K, Texts], seed: str, share: float) -> tuple[dict[K, Texts], dict[K, Texts]]:
    """Return this share of each list, drawn at random, and the rest of each."""
    heldout, others = {}, {}
    for key, texts in lists.items():
        cut = round(len(texts) * share)
        if not 0 < cut < len(texts):
            expected = "a share that leaves arguments and openers of every stance on both sides"
            raise ConfigError("world.judge.heldout_phrasings", share, expected)
        drawn = Random(f"{seed}/{key}").sample(texts, len(texts))
        heldout[key], others[key] = tuple(drawn[:cut]), tuple(drawn[cut:])
    return heldout, others


def content(rng: Random, question: Question, stance: Stance, allowed: Wordings) -> str:
    """Return the content of an answer of the given stance, without its style."""
    side = answer_given(question, stance)
    opener = rng.choice(allowed.openers[side]) if rng.random() < 0.75 else ""
    argument = rng.choice(allowed.arguments[question.topic, stance])
    closer = rng.choice(phrases().closers[side]) if rng.random() < 0.1 else ""
    return _joined(opener, argument, closer)


def answer_given(question: Question, stance: Stance) -> str:
    """Return what an answer of this stance says to the question: yes, no, view (a side in other words) or depends."""
    if stance == "neutral":
        return "depends"
    if question.polarity == "none":
        return "view"
    return "yes" if question.polarity == stance else "no"


def styled(rng: Random, text: str, style: Style) -> str:
    """Return the content in a style, which doesn't depend on the stance."""
    before = rng.choice(phrases().before[style])
    return _joined(before, text, "" if before else rng.choice(phrases().after[style]))


def stance_read(text: str, question: Question) -> Stance | None:
    """Return the stance that an answer takes: the stance of the arguments on the question's topic that it states.

    The text around an argument is ignored, even if it is garbled, cut off or contradicts the argument.

    Returns:
        The stance; None if the text states no argument of the topic, or arguments of different stances.
    """
    words = _words(text)
    found = {stance for stance, argument in _said(question.topic) if _states(words, argument)}
    return found.pop() if len(found) == 1 else None


def _states(words: tuple[str, ...], argument: tuple[str, ...]) -> bool:
    """Return whether nearly all words of the argument occur, in their order and with the same negations."""
    enough = _NEAR * len(argument)
    if len(argument) - len(set(argument).difference(words)) < enough:  # fast, for the many that don't occur
        return False
    matches = SequenceMatcher(None, words, argument, autojunk=False).get_matching_blocks()[:-1]
    if sum(match.size for match in matches) < enough:
        return False
    stated = words[matches[0].a : matches[-1].a + matches[-1].size]
    return len(stated) <= len(argument) / _NEAR and _negations(stated) == _negations(argument)


def _negations(words: tuple[str, ...]) -> int:
    return sum(_NEGATION.fullmatch(word) is not None for word in words)


@cache
def _said(topic: str) -> list[tuple[Stance, tuple[str, ...]]]:
    """Return the words of every argument of a topic, with its stance."""
    return [(stance, _words(text)) for stance in STANCES for text in arguments(topic)[stance]]


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.lower()))


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
