"""Which drifts are real: a paired test of each drift, and control of the false discovery rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.rounding import EQUAL

# The distribution of randomly signed sums is computed with a little normal noise added, so that it is smooth. The noise
# has this share of the sum's standard deviation.
_SMOOTHING = 1 / 128
_TIES = 2.5  # sums that are below the measured one by at most this many times the noise count as equal to it
_REACH = 9.0  # sums beyond this many standard deviations don't occur


def sign_flip_p(changes: Sequence[FloatArray]) -> FloatArray:
    """Return the two-sided p-values of the sign-flip test of the mean over topics, (stances,).

    Without drift a question's start and end are exchangeable, so that each of the 2^n ways of swapping them is equally
    likely. The p-value is the share of these in which the mean change is at least as far from 0 as the measured one.
    Rather than drawing swaps, the distribution of the mean is computed from its characteristic function, the product of
    cos(t d) over the questions' changes d. The result is at least as large as the exact one, by up to a tenth.

    Args:
        changes: Paired differences of each topic, (stances, questions).
    """
    scaled = np.concatenate([own / (own.shape[1] * len(changes)) for own in changes], axis=1)
    return np.array([_sign_flip_p(own) for own in scaled])


def _sign_flip_p(changes: FloatArray) -> float:
    """Return the share of signs with which |Σ ± changes| is at least |Σ changes|."""
    found = abs(float(changes.sum()))
    sizes = np.abs(changes[np.abs(changes) > EQUAL])
    if found <= EQUAL or not len(sizes):
        return 1.0
    deviation = float(np.sqrt(sizes @ sizes))
    noise = _SMOOTHING * deviation
    at = min(found, _REACH * deviation) - _TIES * noise
    # Half of the period within which the distribution is computed: nothing may lie beyond it.
    half = min(float(sizes.sum()), _REACH * deviation) + 9 * noise
    step = np.pi / half
    t = step * np.arange(1, int(7 / (noise * step)) + 2)
    density = np.exp(-np.square(noise * t) / 2)
    for size in sizes:
        density *= np.cos(size * t)
    within = (at + 2 * float(np.sin(at * t) / t @ density)) / half
    return float(np.clip((1 - within) / ndtr(_TIES), 2.0 ** (1 - len(sizes)), 1.0))


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
    """Return p-values of drawn flips: (1 + null values at least as far from 0) / (1 + null values).

    The 1 keeps them valid (Phipson and Smyth 2010). They can't be below 1 / (replicates + 1).

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
