"""How many questions does it take? The power of the paired test against the true drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.heldout_agreement import wilson_interval
from valuedrift.statistics.significance import flips, p_values

MAGNITUDES = (0.0, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4)
QUESTIONS = (10, 20, 50, 100, 200)


@dataclass(frozen=True)
class Questions:
    """What the simulated questions are like, for one stance.

    start: its mean share before · concentration: of the Beta distribution of the questions' shares; the less, the
    more a question's answers agree · answers: to each question
    """

    start: float = 0.3
    concentration: float = 2.0
    answers: int = 5


def power_table(
    questions: Sequence[int] = QUESTIONS,
    magnitudes: Sequence[float] = MAGNITUDES,
    like: Questions | None = None,
    experiments: int = 2000,
    bootstrap: Bootstrap | None = None,
) -> pl.DataFrame:
    """`questions, answers, magnitude, power, low, high`: how often the paired test finds a true drift of `magnitude`.

    Found: p at most 1 − level, for a single test; false-discovery control over a grid asks for more. In each
    experiment training replaces just so much of every question's stance by a new draw that the mean moves by
    `magnitude` (so it is below 1 − start). At magnitude 0 nothing is replaced, and power is the share of false alarms.
    """
    like, bootstrap = like or Questions(), bootstrap or Bootstrap(replicates=1000)
    rows = []
    for size in questions:
        signs = flips("power", size, bootstrap)
        for magnitude in magnitudes:
            random = np.random.default_rng([bootstrap.seed, size, round(magnitude * 1e6)])
            changes = _changes(like, (experiments, size), magnitude, random)
            p = np.concatenate(
                [p_values(part.mean(axis=1), part @ signs / size) for part in np.split(changes, [experiments // 2])]
            )
            found = int((p <= 1 - bootstrap.level).sum())
            rows.append((size, like.answers, magnitude, found / experiments, *wilson_interval(found, experiments)))
    return pl.DataFrame(rows, schema=["questions", "answers", "magnitude", "power", "low", "high"], orient="row")


def _changes(like: Questions, shape: tuple[int, int], magnitude: float, random: np.random.Generator) -> FloatArray:
    """Paired differences of question means, (experiments, questions)."""
    own = random.beta(like.concentration * like.start, like.concentration * (1 - like.start), shape)
    # The questions move towards a mean four fifths of the way to 1, or past it where that is too near.
    goal = like.start + max(0.8 * (1 - like.start), magnitude)
    replaced = magnitude / (goal - like.start)
    new = random.beta(like.concentration * goal, like.concentration * (1 - goal), shape)
    after = own + replaced * (new - own)
    before, later = (random.binomial(like.answers, share) / like.answers for share in (own, after))
    return np.asarray(later - before)
