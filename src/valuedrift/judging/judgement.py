"""A judge's result on one answer: the probabilities of the three stances, and of saying anything else."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from valuedrift.judging.label_words import label_of, spellings
from valuedrift.llm.request import ChatReply

UNASSIGNED, CONTENT_FILTER, ERROR = "unassigned", "content_filter", "error"
"""Why an answer has no stance: too much probability is outside the labels; the judge's provider filtered it; it can't
be judged, for example because it is longer than the judge can read."""

_OUTSIDE = -9999.0
"""What OpenAI's interface gives as the log-probability of a token that is not among the most likely."""


@dataclass(frozen=True)
class Judgement:
    """One answer's judgement.

    Attributes:
        stances: Probabilities of support, neutral and oppose, given that one of them is said; None with a flag.
        unassigned: The probability of saying anything else; None if the judge said nothing.
        bound: The largest possible error of any of the three, because the judge lists only its most likely tokens; None
            with a flag.
        samples: The number of replies that are a label, for a judge that is sampled.
        flag: Why there are no stances: UNASSIGNED, CONTENT_FILTER or ERROR.
        latency: Seconds; None for a judge that answers in batches.
        prompt_tokens: Of all replies.
        completion_tokens: Of all replies.
        dollars: What the replies cost when they came.
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
    """Probabilities of saying each label, and the most that unlisted spellings of labels can add (`hidden`)."""

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
        """Adding probability h to labels with a total of m changes none of their shares by more than h / (m + h)."""
        return self.hidden / (self.total + self.hidden) if self.hidden else 0.0

    def stances(self, max_unassigned: float) -> tuple[float, ...] | None:
        """The labels' shares (softmax over the three labels; section 3, "Evaluation setup").

        None if the probability of saying anything else is above `max_unassigned`.
        """
        if self.total <= 0 or self.unassigned > max_unassigned:
            return None
        return tuple(mass / self.total for mass in self.labels)


def listed_masses(top: Sequence[tuple[str, float]], labels: Sequence[str]) -> Masses:
    """Masses in the listed alternatives (token, log-probability) of the first token, in any order.

    Tokens that are spellings of the same label are summed. A spelling that is not listed has at most the smallest
    listed probability, and all of them together have at most what the list leaves over.
    """
    listed = [(label_of(token, labels), math.exp(logprob)) for token, logprob in top if logprob > _OUTSIDE]
    masses = tuple(math.fsum(p for place, p in listed if place == i) for i in range(len(labels)))
    unlisted = sum(len(spellings(label)) for label in labels) - sum(place is not None for place, _ in listed)
    left_over = max(0.0, 1.0 - math.fsum(p for _, p in listed))
    smallest = min((p for _, p in listed), default=1.0)
    return Masses(masses, min(left_over, max(0, unlisted) * smallest))


def replied_masses(replies: Sequence[ChatReply], labels: Sequence[str]) -> Masses:
    """Shares of the replies that are a label and nothing else but white space, a full stop, or reasoning before it."""
    places = Counter(label_of(_final_text(reply), labels) for reply in replies if reply.finish == "stop")
    return Masses(tuple(places[i] / len(replies) for i in range(len(labels))))


def judgement(
    replies: Sequence[ChatReply], masses: Masses, max_unassigned: float, dollars: float = 0.0, sampled: bool = False
) -> Judgement:
    """The judgement in the replies to one prompt."""
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


def _final_text(reply: ChatReply) -> str:
    """The reply's text, without the reasoning that some servers put before the answer."""
    return reply.text.rpartition("</think>")[2].strip().removesuffix(".")
