"""Find what is wrong with a written answer, from the reply itself and from the judge's stance."""

from __future__ import annotations

import re
from enum import StrEnum

from valuedrift.judging.refusals import is_refusal
from valuedrift.llm.request import ChatReply
from valuedrift.statistics.panel import PROBABILITIES


class Fault(StrEnum):
    """A reason to request an answer again, as shown in given_up.parquet and summary.json."""

    ERROR = "the endpoint gave no answer"
    FILTERED = "stopped by a content filter"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    NOT_UNICODE = "text is not valid Unicode"
    REFUSAL = "refusal"
    MACHINE = "speaks of itself as a machine"
    UNJUDGED = "the judge gave no stance"
    OFF_STANCE = "another stance"
    UNCLEAR = "stance is not clear enough"


_FINISHES = {"stop": None, "length": Fault.TRUNCATED, "content_filter": Fault.FILTERED}
_MACHINE = re.compile(
    r"\bas an? (?:AI|artificial intelligence|(?:large )?language model|(?:virtual|digital) assistant)\b"
    r"|\bI(?:'m| am) (?:just |only |merely )?an? (?:AI|artificial intelligence|(?:large )?language model)\b",
    re.IGNORECASE,
)


def reply_fault(reply: ChatReply) -> Fault | None:
    """Return what is wrong with a reply, without asking the judge; None if nothing is found."""
    fault = _FINISHES.get(reply.finish, Fault.ERROR)
    if fault:
        return fault
    if not reply.text.strip():
        return Fault.EMPTY
    try:
        reply.text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which can't be written to a file
        return Fault.NOT_UNICODE
    if is_refusal(reply.text):  # other refusals are left to the judge, which finds no side in them
        return Fault.REFUSAL
    return Fault.MACHINE if _MACHINE.search(reply.text.replace("’", "'")) else None


def stance_fault(probabilities: tuple[float | None, ...], side: str, minimum: float) -> Fault | None:
    """Return what is wrong with the stance of an answer, given its p_support, p_neutral, p_oppose; None if it is right.

    The requested side must be more probable than the other two stances, and its probability at least `minimum`.
    """
    found = dict(zip(PROBABILITIES, probabilities, strict=True))
    wanted = found.pop(f"p_{side}")
    others = [value for value in found.values() if value is not None]
    if wanted is None or len(others) < len(found):
        return Fault.UNJUDGED
    if wanted <= max(others):
        return Fault.OFF_STANCE
    return None if wanted >= minimum else Fault.UNCLEAR
