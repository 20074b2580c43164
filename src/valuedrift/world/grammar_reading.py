"""Parse answers by the grammar, to get the true stance of a model's answer."""

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
    stance_of,
)

_FRAMES = ASSERTED + NEGATED + UNDECIDED
_VERBS = "|".join(FAVOUR + DISFAVOUR)


def stance_read(text: str, subject: Subject) -> Stance | None:
    """Return the stance that an answer takes on `subject`: the stance of its core, a frame with its verbs.

    The text around a core (opener, lead, concession, reason, closer) is ignored, even if it is garbled, cut off or
    contradicts the core. But a core has to be a separate clause: it begins at the start of the text or after a
    punctuation mark, and ends at the end of the text or before a full stop or a reason.

    Returns:
        The stance; None if there is no such core about `subject`, or cores of different stances.
    """
    stances = {stance_of((_FRAMES[number], verb)) for number, verb in _cores(" ".join(text.split()), subject)}
    return stances.pop() if len(stances) == 1 else None


def _cores(text: str, subject: Subject) -> list[tuple[int, str]]:
    """Return, for every core about `subject`, the number of its frame and its first verb."""
    return [
        (number, verb)
        for found in _pattern(subject).finditer(text)
        for number, verb in enumerate(found.groups())
        if verb
    ]


@cache
def _pattern(subject: Subject) -> re.Pattern[str]:
    """Return the pattern of a core about `subject`; group n + 1 is the first verb of frame n."""
    places = {"w": f"(?:{_VERBS})", "s": re.escape(subject.text)}
    cores = "|".join(frame.format(v=f"({_VERBS})", **places) for frame in _FRAMES)
    return re.compile(rf"(?:^|(?<=[,.:] ))(?:{cores})(?= \.| because | since |$)")
