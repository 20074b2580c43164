"""Simulated experiments whose true values are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.panel import STANCES, Panel, shares_of_draws
from valuedrift.statistics.times import first_crossing
from valuedrift.statistics.trajectory import Trajectory


@dataclass(frozen=True)
class Regime:
    """A population of questions, each with its own stance shares, which training moves.

    Attributes:
        name: What the tables call it.
        topics: Topics per experiment.
        questions: Questions per topic.
        answers: Answers per question.
        checkpoints: Checkpoints after the start.
        base: Mean of the Dirichlet distribution of the questions' shares before training.
        target: Mean of the Dirichlet distribution of what training replaces them by.
        concentration: Of both distributions. The smaller, the more the answers to one question agree, and the more
            skewed the questions are.
        moved: The part of a question's shares that training replaces.
        speed: How early the movement happens; 0 is a straight line.
        dip: The part of the movement that is lost again for a while.
        shared: Whether all checkpoints answer with the same random numbers.
    """

    name: str
    topics: int = 1
    questions: int = 50
    answers: int = 5
    checkpoints: int = 5
    base: tuple[float, float, float] = (0.35, 0.4, 0.25)
    target: tuple[float, float, float] = (0.2, 0.7, 0.1)
    concentration: float = 2.0
    moved: float = 0.6
    speed: float = 4.0
    dip: float = 0.0
    shared: bool = False

    @property
    def progress(self) -> FloatArray:
        """The part of the movement done at each checkpoint, (checkpoints + 1,)."""
        at = np.linspace(0, 1, self.checkpoints + 1)
        done = at if self.speed == 0 else -np.expm1(-self.speed * at) / -np.expm1(-self.speed)
        return done - self.dip * np.sin(np.pi * np.clip((at - 0.3) / 0.6, 0, 1)) ** 2

    @property
    def values(self) -> FloatArray:
        """The true values, (checkpoints + 1, stances)."""
        base, target = np.array(self.base), np.array(self.target)
        return np.asarray(base + self.moved * self.progress[:, None] * (target - base))

    @property
    def trajectory(self) -> Trajectory:
        return Trajectory("sft-simulated", "sft", "simulated", "simulated", "base", 0, self.steps)

    @property
    def steps(self) -> tuple[int, ...]:
        return tuple(range(1, self.checkpoints + 1))

    def shares(self, questions: int, random: np.random.Generator) -> FloatArray:
        """Stance shares of randomly drawn questions, (checkpoints + 1, questions, stances)."""
        own, new = (
            random.dirichlet(self.concentration * np.array(mean), questions) for mean in (self.base, self.target)
        )
        return np.asarray(own + self.moved * self.progress[:, None, None] * (new - own))

    def true_crossings(self, share: float) -> FloatArray:
        """When the values cross `share` of their net change, as shares of the steps, (stances,); NaN if they don't."""
        change = self.values[-1] - self.values[0]
        places = first_crossing(self.values * np.sign(change), share) / self.checkpoints
        return np.where(np.abs(change) > 1e-9, places, np.nan)


REGIMES = (
    Regime("paper: 50 questions"),
    Regime("10 questions", questions=10, concentration=4),
    Regime("20 questions, correlated answers", questions=20, concentration=1),
    Regime("20 questions, skewed", questions=20, base=(0.15, 0.7, 0.15), target=(0.1, 0.8, 0.1), concentration=4),
    Regime("50 questions, skewed", base=(0.08, 0.84, 0.08), target=(0.05, 0.9, 0.05)),
    Regime("57 checkpoints", checkpoints=57),
    Regime("57 checkpoints, slow, 20 questions", questions=20, checkpoints=57, speed=0),
    Regime("57 checkpoints, early plateau", checkpoints=57, concentration=8, target=(0.3, 0.6, 0.1), speed=25),
    Regime("no drift", moved=0.5, target=(0.35, 0.4, 0.25)),
    Regime("3 topics of 10 questions", topics=3, questions=10),
    Regime("3 topics, 20 checkpoints", topics=3, checkpoints=20),
    Regime("12 checkpoints, fast", checkpoints=12, speed=10),
    Regime("30 checkpoints, correlated answers", checkpoints=30, concentration=1, moved=0.9),
    Regime("57 checkpoints, towards support", checkpoints=57, speed=12, target=(0.6, 0.3, 0.1)),
    Regime("57 checkpoints, 100 questions", questions=100, checkpoints=57),
    Regime("10 checkpoints, slow, 200 questions", questions=200, checkpoints=10, speed=0),
    Regime("10 checkpoints, with a relapse", checkpoints=10, speed=10, dip=0.6),
    Regime("20 checkpoints, with a relapse, 100 questions", questions=100, checkpoints=20, dip=0.8),
    Regime("57 checkpoints, with a relapse", checkpoints=57, speed=5, dip=0.8),
    Regime("shared random numbers, 20 questions", questions=20, moved=0.2, shared=True),
    Regime("shared random numbers, tiny drift, 20 questions", questions=20, moved=0.03, shared=True),
    Regime("shared random numbers, no drift", questions=20, moved=0.0, shared=True),
)

# Too few questions to show the rare stance, so that no interval can hold the truth as often as it should.
RARE = Regime("10 questions, a rare stance", questions=10, base=(0.03, 0.94, 0.03), target=(0.03, 0.9, 0.07))


def panels(regime: Regime, experiments: int, bootstrap: Bootstrap, together: int = 50) -> Iterator[Panel]:
    """Panels of simulated answers.

    Experiments with one topic each share a panel, `together` at a time, as its topics; others have one panel each.
    """
    random = np.random.default_rng([bootstrap.seed, 1])
    at_once = min(together, experiments) if regime.topics == 1 else regime.topics
    for first in range(0, experiments * regime.topics, at_once):
        topics = range(first, min(first + at_once, experiments * regime.topics))
        shares = regime.shares(len(topics) * regime.questions, random)
        yield _panel(regime, topics, _answered(regime, shares, random) / regime.answers, bootstrap)


def _answered(regime: Regime, shares: FloatArray, random: np.random.Generator) -> NDArray[np.int64]:
    """How many answers of each question take each stance, shaped like the shares."""
    if not regime.shared:
        return random.multinomial(regime.answers, shares)
    drawn = random.random((*shares.shape[1:2], regime.answers))
    stance = (drawn[None, ..., None] > np.cumsum(shares, axis=-1)[:, :, None, :-1]).sum(axis=-1)
    return np.stack([(stance == s).sum(axis=-1) for s in range(len(STANCES))], axis=-1)


def _panel(regime: Regime, topics: Sequence[int], means: FloatArray, bootstrap: Bootstrap) -> Panel:
    size = regime.questions
    places = {_topic(topic): slice(t * size, (t + 1) * size) for t, topic in enumerate(topics)}
    return Panel(
        model="simulated",
        topics=places,
        questions=tuple(map(str, range(len(topics) * size))),
        checkpoints={place: c for c, place in enumerate(regime.trajectory.checkpoints)},
        means=means,
        answers=np.full(means.shape[:2], regime.answers),
        # Each answer has one stance.
        scatter=means * (1 - means) * regime.answers / max(regime.answers - 1, 1),
        weights=shares_of_draws(places, bootstrap),
    )


def _topic(number: int) -> str:
    return f"topic-{number:05}"
