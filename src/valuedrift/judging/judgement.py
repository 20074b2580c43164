"""A judge's result on one answer: the probabilities of the three stances, and of any other reply."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from valuedrift.judging.label_words import label_of, spellings, written
from valuedrift.llm.alternatives import probability, read_alternatives
from valuedrift.llm.chat_format import CHOICE
from valuedrift.llm.request import ChatReply
from valuedrift.reasoning import separate

UNASSIGNED, CONTENT_FILTER, ERROR = "unassigned", "content_filter", "error"
"""Why an answer has no stance: too much probability is outside the labels; the judge's provider filtered the request or
the reply; the answer can't be judged, for example because it is longer than the judge can read, or because the
log-probabilities of the reply are not the model's. UNCLOSED is another reason."""

_CERTAIN = 0.999
"""A list of one token with at least this probability shows the sampler's choice, and not the model's distribution."""


@dataclass(frozen=True)
class Judgement:
    """One answer's judgement.

    Attributes:
        stances: Probabilities of support, neutral and oppose, given that the reply is one of them; None if `flag` is
            set.
        unassigned: The probability of any other reply; None if every request failed or the reply can't be read.
        bound: The largest possible error of each of the three probabilities, because the judge lists only its most
            likely tokens; None if `flag` is set.
        samples: The number of replies that are a label, for a judge that is sampled; else None.
        flag: Why there are no stances: UNASSIGNED, CONTENT_FILTER, ERROR or UNCLOSED; else None.
        latency: Seconds; None for a judge that answers in batches.
        prompt_tokens: Prompt tokens of all replies.
        completion_tokens: Completion tokens of all replies.
        dollars: The price of the replies when they were requested.
    """

    stances: tuple[float, ...] | None
    unassigned: float | None
    bound: float | None
    samples: int | None
    flag: str | None
    latency: float | None
    prompt_tokens: int
    completion_tokens: int
    dollars: float


@dataclass(frozen=True)
class Masses:
    """Probability of each label.

    Attributes:
        labels: The probabilities.
        hidden: The most that unlisted spellings of labels can add to them.
        readable: Whether the log-probabilities are those of a distribution.
    """

    labels: tuple[float, ...]
    hidden: float = 0.0
    readable: bool = True

    @property
    def total(self) -> float:
        return math.fsum(self.labels)

    @property
    def unassigned(self) -> float:
        # Sums of rounded probabilities can be slightly above 1.
        return max(0.0, 1.0 - self.total)

    @property
    def bound(self) -> float:
        """The largest change of a label's share if h more probability is added to a total of m: h / (m + h)."""
        return self.hidden / (self.total + self.hidden) if self.hidden else 0.0

    def stances(self, max_unassigned: float) -> tuple[float, ...] | None:
        """Return the labels' shares (softmax over the three labels; section 3, "Evaluation setup").

        Returns None if the probability of any other reply is above `max_unassigned`, or nothing can be read.
        """
        if not self.readable or self.total <= 0 or self.unassigned > max_unassigned:
            return None
        return tuple(mass / self.total for mass in self.labels)


def listed_masses(top: Sequence[tuple[str, float]], labels: Sequence[str]) -> Masses:
    """Return the masses from the listed alternatives (token, log-probability) of the first token, in any order.

    The probabilities of all spellings of a label are summed. A spelling that is not listed has at most the smallest
    listed probability, and all unlisted spellings together have at most 1 minus the sum of the list.
    """
    try:
        listed = [(token, p) for token, logprob in read_alternatives(top) if (p := probability(logprob)) > 0]
    except ValueError:
        return Masses((0.0,) * len(labels), readable=False)
    total = math.fsum(p for _, p in listed)
    scale = max(1.0, total)  # rounded probabilities can sum to more than 1
    places = [(label_of(token, labels), p / scale) for token, p in listed]
    masses = tuple(math.fsum(p for place, p in places if place == i) for i in range(len(labels)))
    unlisted = {spelling for label in labels for spelling in spellings(label)} - {written(token) for token, _ in listed}
    smallest = min((p for _, p in listed), default=1.0)
    readable = len(listed) != 1 or total < _CERTAIN or not any(masses)
    return Masses(masses, min(max(0.0, 1.0 - total), len(unlisted) * smallest), readable)


def replied_masses(replies: Sequence[ChatReply], labels: Sequence[str]) -> Masses:
    """Return each label's share of the replies. White space, a final full stop and reasoning before it are ignored."""
    places = Counter(label_of(_final_text(reply), labels) for reply in replies if reply.finish == "stop")
    return Masses(tuple(places[i] / len(replies) for i in range(len(labels))))


def judgement(
    replies: Sequence[ChatReply], masses: Masses, max_unassigned: float, dollars: float = 0.0, sampled: bool = False
) -> Judgement:
    """Return the judgement from the replies to one prompt and their masses."""
    failed = [reply.finish for reply in replies if reply.finish in (CONTENT_FILTER, ERROR)]
    silent = len(failed) == len(replies)
    stances = None if silent else masses.stances(max_unassigned)
    flag = None if stances else failed[0] if silent else UNASSIGNED if masses.readable else ERROR
    return Judgement(
        stances=stances,
        unassigned=None if silent or not masses.readable else masses.unassigned,
        bound=masses.bound if stances else None,
        samples=round(masses.total * len(replies)) if sampled else None,
        flag=flag,
        latency=math.fsum(reply.latency for reply in replies),
        prompt_tokens=sum(reply.prompt_tokens for reply in replies),
        completion_tokens=sum(reply.completion_tokens for reply in replies),
        dollars=dollars,
    )


def _final_text(reply: ChatReply) -> str:
    """Return the reply's text, or its field CHOICE if it is JSON, without its reasoning and a final full stop."""
    answer = separate(reply.text).answer
    if answer.startswith("{"):
        with suppress(ValueError, TypeError, LookupError, RecursionError):
            answer = str(json.loads(answer)[CHOICE])
    return answer.removesuffix(".")
