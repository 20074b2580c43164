"""Which drifts are real: a paired test of each drift, and control of the false discovery rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.rounding import EQUAL


def flips(topic: str, questions: int, bootstrap: Bootstrap) -> FloatArray:
    """Draw random signs +1 and −1, (questions, replicates); the stream depends on seed and topic."""
    random = bootstrap.stream(f"signs of {topic}")
    drawn = random.integers(0, 2, size=(questions, bootstrap.replicates), dtype=np.int8)
    return np.asarray(2.0 * drawn - 1.0)


def flipped_means(changes: Sequence[FloatArray], signs: Sequence[FloatArray]) -> FloatArray:
    """Return mean changes after swapping each question's start and end at random, in all its stances at once.

    Args:
        changes: Paired differences of each topic, (stances, questions).
        signs: `flips` of each topic, (questions, replicates).

    Returns:
        The unweighted mean over topics, (stances, replicates).
    """
    parts = [own @ drawn / len(drawn) for own, drawn in zip(changes, signs, strict=True)]
    return np.asarray(sum(parts) / len(parts))


def p_values(found: FloatArray, null: FloatArray) -> FloatArray:
    """Return two-sided p-values of the sign-flip test: (1 + null values at least as far from 0) / (1 + null values).

    Without drift a question's start and end are exchangeable, so the p-value is valid with any number of questions
    (Phipson and Smyth 2010 explain the 1). It can't be below 1 / (replicates + 1) or, with n questions, much below
    2^(1 − n).

    Args:
        found: Measured changes, (...).
        null: Changes without drift, (..., replicates).
    """
    further = (np.abs(null) >= np.abs(found)[..., None] - EQUAL).sum(axis=-1)
    return np.asarray((1 + further) / (1 + null.shape[-1]))


def q_values(p: FloatArray) -> FloatArray:
    """Adjust the p-values of one family, (n,), by Benjamini and Hochberg (1995)."""
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted
