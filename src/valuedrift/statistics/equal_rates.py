"""How much of the difference between algorithms remains where they learn at one rate.

The paper's DPO learns at 20 times the rate of its SimPO and PPO (appendix B.3), so its finding 3 (section 6) compares
step sizes as well as algorithms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from valuedrift.statistics.bootstrap import Bootstrap, Estimate, FloatArray, estimate
from valuedrift.statistics.drift import RunDrift
from valuedrift.statistics.panel import STANCES

FURTHEST = "dpo"
"""The algorithm that moves values the furthest in the paper; all others are compared with it."""


@dataclass(frozen=True)
class Rated:
    """One run and the rate that it learnt at; own: that is its algorithm's rate in the configuration.

    stance: the stance that its data set rewards, whose drift is compared
    """

    drift: RunDrift
    rate: float
    own: bool
    stance: str

    @property
    def place(self) -> tuple[str, str]:
        """What it started from and learnt from: SFT data set and preference data set."""
        return self.drift.trajectory.sft, self.drift.trajectory.data


@dataclass(frozen=True)
class Contrast:
    """How much further DPO moves the rewarded stance than `other`: means over topics and data sets.

    rates, steps: DPO's and the other's, steps summed over data sets
    share: what part this is of the difference at their own rates; None for that difference itself, and where its
        interval holds 0, so that there is nothing to have a part of
    """

    other: str
    rates: tuple[float, float]
    steps: tuple[int, int]
    furthest: Estimate
    moved: Estimate
    difference: Estimate
    share: Estimate | None


class _Mean(NamedTuple):
    rate: float
    steps: int
    value: float
    replicates: FloatArray

    def estimate(self, bootstrap: Bootstrap) -> Estimate:
        return estimate(self.value, self.replicates, bootstrap)


class _Pair(NamedTuple):
    first: _Mean
    second: _Mean

    @property
    def value(self) -> float:
        return self.first.value - self.second.value

    @property
    def replicates(self) -> FloatArray:
        return self.first.replicates - self.second.replicates

    def contrast(self, other: str, own: _Pair | None, bootstrap: Bootstrap) -> Contrast:
        """own: the pair at own rates, of which this one is to have a share."""
        return Contrast(
            other=other,
            rates=(self.first.rate, self.second.rate),
            steps=(self.first.steps, self.second.steps),
            furthest=self.first.estimate(bootstrap),
            moved=self.second.estimate(bootstrap),
            difference=estimate(self.value, self.replicates, bootstrap),
            share=self._share(own, bootstrap) if own else None,
        )

    def _share(self, own: _Pair, bootstrap: Bootstrap) -> Estimate | None:
        whole = estimate(own.value, own.replicates, bootstrap)
        if whole.low <= 0 <= whole.high:
            return None
        return estimate(self.value / own.value, self.replicates / own.replicates, bootstrap)


def contrasts(runs: Sequence[Rated], bootstrap: Bootstrap) -> list[Contrast]:
    """DPO against each other algorithm: at their own rates, then at every rate that both have, ascending.

    Means are over the places of all `runs`; a rate that some place lacks is left out, and so is an algorithm whose own
    rate, or DPO's, some place lacks.
    """
    found = []
    for other in sorted({run.drift.trajectory.algorithm for run in runs} - {FURTHEST}):
        own = _pair(runs, other, None)
        if own:
            equal = (_pair(runs, other, rate) for rate in sorted({run.rate for run in runs}))
            found += [own.contrast(other, None, bootstrap)]
            found += [pair.contrast(other, own, bootstrap) for pair in equal if pair]
    return found


def _pair(runs: Sequence[Rated], other: str, rate: float | None) -> _Pair | None:
    first, second = _mean(runs, FURTHEST, rate), _mean(runs, other, rate)
    return _Pair(first, second) if first and second else None


def _mean(runs: Sequence[Rated], algorithm: str, rate: float | None) -> _Mean | None:
    """The mean over places of an algorithm's runs at a rate, its own where that is None."""
    chosen = {
        run.place: run
        for run in runs
        if run.drift.trajectory.algorithm == algorithm and (run.own if rate is None else run.rate == rate)
    }
    if chosen.keys() != {run.place for run in runs}:
        return None
    values, replicates = zip(*(_moved(run) for run in chosen.values()), strict=True)
    steps = sum(run.drift.trajectory.steps[-1] for run in chosen.values())
    return _Mean(next(iter(chosen.values())).rate, steps, float(np.mean(values)), np.mean(replicates, axis=0))


def _moved(run: Rated) -> tuple[float, FloatArray]:
    """The rewarded stance's magnitude, a mean over topics, and its replicates."""
    stance, drift = STANCES.index(run.stance), run.drift
    replicates: FloatArray = (drift.end_replicates - drift.start_replicates)[:, stance].mean(axis=0)
    return float((drift.end - drift.start)[:, stance].mean()), replicates
