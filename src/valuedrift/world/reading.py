"""Parse answers of the pocket world: the inverse of the grammar, which gives the true stance of a model's answer."""

from __future__ import annotations

import re
from functools import cache

from valuedrift.config.pocket_world import Stance
from valuedrift.world.grammar import (
    ASSERTED,
    DISFAVOUR,
    FAVOUR,
    NEGATED,
    UNDECIDED,
    Subject,
    questions,
    stance_of,
)
from valuedrift.world.world_tables import topics

_FRAMES = ASSERTED + NEGATED + UNDECIDED
_VERBS = "|".join(FAVOUR + DISFAVOUR)


def stance_read(text: str, subject: Subject) -> Stance | None:
    """The stance that an answer takes on `subject`: that of its core, a frame with its verbs.

    What stands around a core (opener, lead, concession, reason, closer) is ignored, be it garbled, cut off or at odds
    with the core; but a core has to be a clause of its own, between marks, a reason and the ends of the text. None
    where there is no such core about `subject`, or several of different stances.
    """
    stances = {stance_of((_FRAMES[number], verb)) for number, verb in _cores(" ".join(text.split()), subject)}
    return stances.pop() if len(stances) == 1 else None


@cache
def asked_subjects() -> dict[str, Subject]:
    """What each question of the world asks about, by its text."""
    return {question.text: question.subject for topic in topics() for question in questions(topic)}


def _cores(text: str, subject: Subject) -> list[tuple[int, str]]:
    """The number of the frame and its first verb, of every core about `subject`."""
    return [
        (number, verb)
        for found in _pattern(subject).finditer(text)
        for number, verb in enumerate(found.groups())
        if verb
    ]


@cache
def _pattern(subject: Subject) -> re.Pattern[str]:
    """A core about `subject`; group n is the first verb of frame n."""
    places = {"w": f"(?:{_VERBS})", "s": re.escape(subject.text)}
    cores = "|".join(frame.format(v=f"({_VERBS})", **places) for frame in _FRAMES)
    return re.compile(rf"(?:^|(?<=[,.:] ))(?:{cores})(?= \.| because | since |$)")
