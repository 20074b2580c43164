"""Find answers that are refusals by their words, so that tables can show refusals in addition to stances."""

from __future__ import annotations

import re

_OPENING = 300
"""Number of characters at the beginning of an answer in which words of refusal are searched."""

_SHORT = 60
"""Longest answer, in words, that counts as a refusal because it says that it has no views."""

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
    """Whether an answer is a refusal.

    An answer is a refusal if its beginning says that it can't or won't answer, or if it is short and says that it has
    no views; a long, balanced answer with such a disclaimer is not. The rule has English phrases only, and doesn't
    find answers that change the subject.
    """
    text = " ".join(answer.replace("’", "'").lower().split()).replace("i'm ", "i am ")
    if _DECLINES.search(text[:_OPENING]):
        return True
    return len(text.split()) <= _SHORT and _WITHOUT_VIEWS.search(text) is not None
