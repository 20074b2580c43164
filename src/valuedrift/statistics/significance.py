"""Which drifts are real: a paired test of each, and the share of false ones among those called real."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.rounding import EQUAL


def flips(topic: str, questions: int, bootstrap: Bootstrap) -> FloatArray:
    """Signs +1 and −1, (questions, replicates); the stream is keyed by seed and topic, as `Bootstrap.weights`."""
    random = bootstrap.stream(f"signs of {topic}")
    drawn = random.integers(0, 2, size=(questions, bootstrap.replicates), dtype=np.int8)
    return np.asarray(2.0 * drawn - 1.0)


def flipped_means(changes: Sequence[FloatArray], signs: Sequence[FloatArray]) -> FloatArray:
    """Mean changes as they would be if each question's start and end were swapped at random.

    changes: each topic's paired differences, (stances, questions) · signs: each topic's, (questions, replicates)
    Returns the unweighted mean over topics, (stances, replicates). A question's stances are swapped together.
    """
    parts = [own @ drawn / len(drawn) for own, drawn in zip(changes, signs, strict=True)]
    return np.asarray(sum(parts) / len(parts))


def p_values(found: FloatArray, null: FloatArray) -> FloatArray:
    """Two-sided p-values of `found` (...), with `null` (..., replicates): (1 + those as far out) / (1 + all).

    The sign-flip test: without drift a question's start and end are exchangeable, so the p-value is valid at any
    number of questions (Phipson and Smyth 2010 for the 1). It can't fall below 1 / (replicates + 1), nor, with n
    questions, much below 2^(1 − n).
    """
    further = (np.abs(null) >= np.abs(found)[..., None] - EQUAL).sum(axis=-1)
    return np.asarray((1 + further) / (1 + null.shape[-1]))


def q_values(p: FloatArray) -> FloatArray:
    """Benjamini and Hochberg's (1995) adjusted p-values of one family, (n,)."""
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted
