"""How much of the difference between algorithms remains at equal learning rates.

The paper's DPO uses 20 times the learning rate of its SimPO and PPO (appendix B.3), so its finding 3 (section 6)
compares learning rates as well as algorithms.
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
    """A run with its learning rate.

    Attributes:
        drift: The run's drift.
        rate: The run's learning rate.
        own: Whether `rate` is the algorithm's rate in the configuration.
        stance: The stance that the run's data set rewards; its drift is compared.
    """

    drift: RunDrift
    rate: float
    own: bool
    stance: str

    @property
    def data_sets(self) -> tuple[str, str]:
        """SFT data set and preference data set of the run."""
        return self.drift.trajectory.sft, self.drift.trajectory.data


@dataclass(frozen=True)
class Contrast:
    """How much further DPO moves the rewarded stance than another algorithm, as means over topics and data sets.

    Attributes:
        other: The other algorithm.
        rates: Learning rates of DPO and of the other algorithm.
        steps: Steps of DPO and of the other algorithm, summed over data sets.
        furthest: How far DPO moves the stance.
        moved: How far the other algorithm moves the stance.
        difference: `furthest` − `moved`.
        share: `difference` as a share of the difference at the algorithms' own rates. None if this contrast is the one
            at their own rates, and if the interval of the difference at their own rates includes 0.
    """

    other: str
    rates: tuple[float, float]
    steps: tuple[int, int]
    furthest: Estimate
    moved: Estimate
    difference: Estimate
    share: Estimate | None


class _Moved(NamedTuple):
    """How far an algorithm's runs move the rewarded stance: means over topics and data sets."""

    rate: float
    steps: int
    value: float
    replicates: FloatArray


_Pair = tuple[_Moved, _Moved]


def contrasts(runs: Sequence[Rated], bootstrap: Bootstrap) -> list[Contrast]:
    """Compare DPO with each other algorithm: at their own rates, then at each rate that both have, ascending.

    Means are over the data sets (see `Rated.data_sets`) of all `runs`. A rate is left out if DPO or the other algorithm
    has no run at it on some of these data sets. An algorithm is left out if it or DPO has no run at its own rate on
    some of them.
    """
    found = []
    for other in sorted({run.drift.trajectory.algorithm for run in runs} - {FURTHEST}):
        own = _pair(runs, other, None)
        if own:
            equal = (_pair(runs, other, rate) for rate in sorted({run.rate for run in runs}))
            found += [_contrast(other, own, None, bootstrap)]
            found += [_contrast(other, pair, own, bootstrap) for pair in equal if pair]
    return found


def _contrast(other: str, pair: _Pair, own: _Pair | None, bootstrap: Bootstrap) -> Contrast:
    """Return the contrast of a pair; `own` is the pair at the algorithms' own rates, or None if `pair` is that pair."""
    value, replicates = _difference(pair)
    share = None
    if own:
        whole, drawn = _difference(own)
        interval = estimate(whole, drawn, bootstrap)
        if not interval.low <= 0 <= interval.high:
            share = estimate(value / whole, replicates / drawn, bootstrap)
    first, second = pair
    return Contrast(
        other=other,
        rates=(first.rate, second.rate),
        steps=(first.steps, second.steps),
        furthest=estimate(first.value, first.replicates, bootstrap),
        moved=estimate(second.value, second.replicates, bootstrap),
        difference=estimate(value, replicates, bootstrap),
        share=share,
    )


def _difference(pair: _Pair) -> tuple[float, FloatArray]:
    return pair[0].value - pair[1].value, pair[0].replicates - pair[1].replicates


def _pair(runs: Sequence[Rated], other: str, rate: float | None) -> _Pair | None:
    first, second = _moved(runs, FURTHEST, rate), _moved(runs, other, rate)
    return (first, second) if first and second else None


def _moved(runs: Sequence[Rated], algorithm: str, rate: float | None) -> _Moved | None:
    """Return how far an algorithm moves at `rate` or, if None, its own rate; None if a data set has no such run."""
    chosen = {
        run.data_sets: run
        for run in runs
        if run.drift.trajectory.algorithm == algorithm and (run.own if rate is None else run.rate == rate)
    }
    if chosen.keys() != {run.data_sets for run in runs}:
        return None
    values, replicates = zip(*(_rewarded_drift(run) for run in chosen.values()), strict=True)
    steps = sum(run.drift.trajectory.steps[-1] for run in chosen.values())
    return _Moved(next(iter(chosen.values())).rate, steps, float(np.mean(values)), np.mean(replicates, axis=0))


def _rewarded_drift(run: Rated) -> tuple[float, FloatArray]:
    """Return the drift magnitude of the rewarded stance, as a mean over topics, and its replicates."""
    stance, drift = STANCES.index(run.stance), run.drift
    replicates: FloatArray = (drift.end_replicates - drift.start_replicates)[:, stance].mean(axis=0)
    return float((drift.end - drift.start)[:, stance].mean()), replicates
