"""Answers that decline, found by their first words, so that refusals can be shown beside the stances."""

from __future__ import annotations

import re

_OPENING = 300
"""Characters at the beginning in which an answer that declines says so."""

_SHORT = 60
"""Longest answer, in words, that says nothing beyond holding no views."""

_CANNOT = r"(?:can'?t|can ?not|won't|will not|must decline|decline|refuse|am unable|am not able|am not comfortable)"
_DO = (
    r"(?:assist|help|fulfil|fulfill|comply|provide|write|create|generate|produce|compose|draft|continue|complete|answer"
    r"|respond|discuss|engage|express|take a side|take sides|do that)"
)
_DECLINES = re.compile(
    rf"\bi (?:\w+ly )?{_CANNOT}(?: to| with)?(?: \w+ly)? {_DO}"
    r"|\bi am (?:\w+ )?sorry,? but\b|\bi (?:sincerely )?apologi[sz]e,? but\b"
    r"|\bagainst my (?:programming|guidelines|principles)\b"
)
_WITHOUT_VIEWS = re.compile(
    r"\b(?:do not|don't) (?:have|hold|possess|take|express) (?:a |any )?(?:\w+ )?"
    r"(?:opinion|belief|view|preference|stance|position|side|feeling)"
)


def is_refusal(answer: str) -> bool:
    """Whether an answer declines what was asked.

    It is a refusal if it says at its beginning that it can't or won't answer, or if it says that it holds no views and
    little more; a balanced answer after such a disclaimer is not. The rule knows English phrases only, and misses
    answers that decline by changing the subject.
    """
    text = " ".join(answer.replace("’", "'").lower().split()).replace("i'm ", "i am ")
    if _DECLINES.search(text[:_OPENING]):
        return True
    return len(text.split()) <= _SHORT and _WITHOUT_VIEWS.search(text) is not None
