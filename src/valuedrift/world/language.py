"""What a language of the pocket world provides. All tables are made from it in the same way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, Protocol

from valuedrift.config.pocket_world import Stance

STANCES: tuple[Stance, ...] = ("support", "neutral", "oppose")
Style = Literal["plain", "warm", "curt"]
Wordings = Any
"""What answers can be made of, in a form of the language's own. A part of them is held out from the judge."""


class Question(Protocol):
    """A question of the world.

    Attributes:
        group: Questions with the same group are phrasings of one question, and are drawn together.
        kind: Probes are drawn evenly from all kinds.
        columns: What a table of probes contains about the question.
    """

    @property
    def topic(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def group(self) -> str | None: ...
    @property
    def kind(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> dict[str, str | None]: ...


@dataclass(frozen=True)
class Language:
    """One language.

    Attributes:
        topics: Returns the keys of its topics.
        questions: Topic → all its questions, with distinct texts.
        wordings: Returns everything that answers can be made of.
        split: Seed, share → the wordings that are held out from the judge, and the others.
        content: Generator, question, stance, wordings → the content of an answer.
        styled: Generator, content, style → the answer. The style doesn't depend on the stance.
        stance_read: Text, question → the stance that an answer takes, None if it can't be told.
    """

    topics: Callable[[], tuple[str, ...]]
    questions: Callable[[str], Sequence[Question]]
    wordings: Callable[[], Wordings]
    split: Callable[[int, float], tuple[Wordings, Wordings]]
    content: Callable[[Random, Any, Stance, Wordings], str]
    styled: Callable[[Random, str, Style], str]
    stance_read: Callable[[str, Any], Stance | None]

    def answer(self, rng: Random, question: Question, stance: Stance, wordings: Wordings, style: Style) -> str:
        """Return one answer of the given stance."""
        return self.styled(rng, self.content(rng, question, stance, wordings), style)

    def drawn(self, topic: str, number: int, seed: int) -> tuple[list[Question], list[Question]]:
        """Draw questions of a topic, evenly from all kinds; phrasings of one question are drawn together.

        Returns:
            At most `number` questions, and the others.
        """
        shuffled = list(self.questions(topic))
        Random(f"{seed}/questions/{topic}").shuffle(shuffled)
        drawn: list[Question] = []
        for question in _evenly(shuffled):
            group = [other for other in shuffled if other.group == question.group] if question.group else [question]
            if question not in drawn and len(drawn) + len(group) <= number:
                drawn += group
        return drawn, [question for question in shuffled if question not in drawn]


def _evenly(questions: list[Question]) -> list[Question]:
    """Return the questions in an order in which every beginning has each kind in about the same share."""
    sizes = Counter(question.kind for question in questions)
    seen: Counter[tuple[str, ...]] = Counter()
    places = []
    for question in questions:
        places.append((seen[question.kind] + 0.5) / sizes[question.kind])
        seen[question.kind] += 1
    return [question for _, question in sorted(zip(places, questions, strict=True), key=lambda pair: pair[0])]
