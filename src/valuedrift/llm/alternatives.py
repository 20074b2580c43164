"""The most likely first tokens that a chat model's server lists, read as part of a probability distribution."""

from __future__ import annotations

import math
from collections.abc import Iterable

Alternatives = tuple[tuple[str, float], ...]
"""(token, log-probability), most likely first."""

IMPOSSIBLE = -9999.0
"""The log-probability of a token that can't occur. OpenAI's servers write it, and journals can't hold −∞."""

_PART = "\N{REPLACEMENT CHARACTER}"
"""What servers write for bytes that are no whole character."""

_ROUNDING = 1e-3
"""Servers round log-probabilities, so that those of one token may differ, and the sum may be slightly above 1."""


def read_alternatives(listed: Iterable[tuple[str, float | None]], most: int | None = None) -> Alternatives:
    """Return the `most` likely of the listed tokens.

    vLLM lists the sampled token first, and again among the most likely ones: entries that are equal, but for rounding,
    are one token. Other entries of one text are different tokens, such as parts of characters. A log-probability of
    None or −∞ means that the token is impossible. If a server lists more tokens than asked, the sampled one may be less
    likely than others that it doesn't list, and says nothing about them: it isn't among the `most` likely. Equal
    entries that are parts of characters may be different tokens: then each takes a place among the `most` likely.

    Raises ValueError if the list can't be part of a distribution.
    """
    read = [(token, IMPOSSIBLE if logprob is None else max(float(logprob), IMPOSSIBLE)) for token, logprob in listed]
    kept: list[tuple[str, float]] = []
    last: dict[str, float] = {}
    unsure = 0
    for token, logprob in sorted(read, key=lambda each: -each[1]):
        if token not in last or not last[token] - logprob < _ROUNDING:
            kept.append((token, logprob))
            last[token] = logprob
        elif _PART in token:
            unsure += 1
    kept = kept if most is None else kept[: max(0, most - unsure)]
    if not total(kept) <= 1 + _ROUNDING:
        raise ValueError(f"the probabilities of its tokens sum to {total(kept):.4g}")
    return tuple(kept)


def total(alternatives: Iterable[tuple[str, float]]) -> float:
    """Return the sum of the probabilities; NaN if one is not a number, infinite if one is far above 1."""
    return math.fsum(probability(logprob) for _, logprob in alternatives)


def probability(logprob: float) -> float:
    """Return the probability; 0 for an impossible token."""
    if logprob > 0:
        return math.exp(logprob) if logprob < 1 else math.inf
    return 0.0 if logprob <= IMPOSSIBLE else math.exp(logprob)
