"""What a judge says of one answer: probabilities of the three stances, and how much of the judge they leave out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from valuedrift.judging.label_words import forms, label_of
from valuedrift.llm.request import ChatReply

UNASSIGNED, CONTENT_FILTER, ERROR = "unassigned", "content_filter", "error"
"""Why an answer has no stance: too much probability outside the labels; the judge's provider refused to read it; it
can't be judged at all, as one that is longer than what the judge can read."""

_OUTSIDE = -9999.0
"""What OpenAI's interface gives as the log-probability of a token that is not among the most likely."""


@dataclass(frozen=True)
class Judgement:
    """One answer's judgement.

    stances: probabilities of support, neutral and oppose given that one of them is said; None where there is a flag
    unassigned: the probability of saying anything else; None where the judge said nothing
    bound: the most that any of the three can be off because the judge lists its likeliest tokens alone; None with them
    samples: the replies behind the shares, for a judge that is asked repeatedly
    flag: why there are no stances (see UNASSIGNED, CONTENT_FILTER, ERROR)
    latency: seconds; None for a judge that answers in batches · dollars: what the replies cost when they came
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
    """Probabilities of saying each label, of anything else, and the most that unlisted forms of labels can add."""

    labels: tuple[float, ...]
    hidden: float = 0.0

    @property
    def total(self) -> float:
        return math.fsum(self.labels)

    @property
    def unassigned(self) -> float:
        # Sums of rounded probabilities can pass 1 by a last bit.
        return max(0.0, 1.0 - self.total)

    @property
    def bound(self) -> float:
        """Adding mass h to labels that hold m together moves none of their shares by more than h / (m + h)."""
        return self.hidden / (self.total + self.hidden) if self.hidden else 0.0

    def stances(self, max_unassigned: float) -> tuple[float, ...] | None:
        """The labels' shares (softmax over the three labels; section 3, "Evaluation setup"), or None if they are
        said too seldom for their shares to mean anything."""
        if self.total <= 0 or self.unassigned > max_unassigned:
            return None
        return tuple(mass / self.total for mass in self.labels)


def listed_masses(top: Sequence[tuple[str, float]], labels: Sequence[str]) -> Masses:
    """Masses in the listed alternatives (token, log-probability) of the first token, in any order.

    Tokens that are forms of a label are summed. A form that is not listed has at most the smallest listed
    probability, and all of them together at most what the list leaves over.
    """
    listed = [(label_of(token, labels), math.exp(logprob)) for token, logprob in top if logprob > _OUTSIDE]
    masses = tuple(math.fsum(p for place, p in listed if place == i) for i in range(len(labels)))
    unlisted = sum(len(forms(label)) for label in labels) - sum(place is not None for place, _ in listed)
    left_over = max(0.0, 1.0 - math.fsum(p for _, p in listed))
    smallest = min((p for _, p in listed), default=1.0)
    return Masses(masses, min(left_over, max(0, unlisted) * smallest))


def replied_masses(replies: Sequence[ChatReply], labels: Sequence[str]) -> Masses:
    """Shares of the replies that are a label and nothing else (but for white space, a full stop, a thought before)."""
    places = Counter(label_of(_said(reply), labels) for reply in replies if reply.finish == "stop")
    return Masses(tuple(places[i] / len(replies) for i in range(len(labels))))


def judgement(
    replies: Sequence[ChatReply], masses: Masses, max_unassigned: float, dollars: float = 0.0, sampled: bool = False
) -> Judgement:
    """The judgement that replies to one prompt amount to."""
    failed = [reply.finish for reply in replies if reply.finish in (CONTENT_FILTER, ERROR)]
    silent = len(failed) == len(replies)
    stances = None if silent else masses.stances(max_unassigned)
    return Judgement(
        stances=stances,
        unassigned=None if silent else masses.unassigned,
        bound=masses.bound if stances else None,
        samples=round(masses.total * len(replies)) if sampled else None,
        flag=None if stances else (failed[0] if silent else UNASSIGNED),
        latency=math.fsum(reply.latency for reply in replies),
        prompt_tokens=sum(reply.prompt_tokens for reply in replies),
        completion_tokens=sum(reply.completion_tokens for reply in replies),
        dollars=dollars,
    )


def _said(reply: ChatReply) -> str:
    """The reply's text; servers that don't part a reasoning model's thought from its answer put it before."""
    return reply.text.rpartition("</think>")[2].strip().removesuffix(".")
