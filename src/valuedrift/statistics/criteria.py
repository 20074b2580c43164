"""Criteria of findings: an estimate against a threshold, with three outcomes: true, false, or undecided."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from scipy.special import stdtrit

from valuedrift.statistics.bootstrap import Bootstrap, FloatArray
from valuedrift.statistics.intervals import interval_of_mean, spread_of

_FEWEST_SEEDS = 3

Path = tuple[str, ...]
"""Where a criterion stands in the numbers of its finding."""


@runtime_checkable
class Bounded(Protocol):
    """An estimate: its value, and bounds that are wrong with a probability of at most `tail` each."""

    @property
    def value(self) -> float: ...

    def bounds(self, tail: float) -> tuple[float, float]: ...


@dataclass(frozen=True)
class Claim:
    """The claim that the true value of `estimate` is above (or below) `threshold`."""

    estimate: Bounded
    above: bool
    threshold: float


@dataclass(frozen=True)
class Criterion:
    """A claim with its outcome.

    Attributes:
        value: The estimate.
        low: Low end of its interval at the level of the bootstrap.
        high: High end.
        threshold: What the value is compared with.
        rule: "above" or "below": where the claim says that the value is.
        bound: The one-sided bound that has to be beyond the threshold: the lower one for "above", the upper one for
            "below".
        holds: True if `bound` is beyond the threshold, False if the opposite bound is on the other side, else None.
        seeds: How many seeds the interval is over; 1 means over questions alone.
        own: The estimate with this seed alone.
    """

    value: float
    low: float
    high: float
    threshold: float
    rule: str
    bound: float
    holds: bool | None
    seeds: int
    own: float


@dataclass(frozen=True)
class Mean:
    """A mean over topics: question means of each topic (questions,), replicates (replicates,), answers per question."""

    topics: Sequence[FloatArray]
    replicates: FloatArray
    answers: float
    bootstrap: Bootstrap

    @property
    def value(self) -> float:
        return float(np.mean([topic.mean() for topic in self.topics]))

    def bounds(self, tail: float) -> tuple[float, float]:
        spread = spread_of(self.topics, skewed=False, answers=self.answers)
        level = replace(self.bootstrap, level=1 - 2 * tail)
        low, high = interval_of_mean(np.asarray(self.value), self.replicates, spread, level)
        return float(low), float(high)


@dataclass(frozen=True)
class OverSeeds:
    """The mean of an estimate over seeds.

    Its bounds are those of the t interval over seeds, widened by those over questions: seeds share their questions, so
    the scatter between seeds doesn't show what other questions would have given.
    """

    own: Bounded
    values: tuple[float, ...]

    @property
    def value(self) -> float:
        return float(np.mean(self.values))

    def bounds(self, tail: float) -> tuple[float, float]:
        count = len(self.values)
        half = float(stdtrit(count - 1, 1 - tail)) * float(np.std(self.values, ddof=1)) / math.sqrt(count)
        low, high = self.own.bounds(tail)
        down, up = math.hypot(half, self.own.value - low), math.hypot(half, high - self.own.value)
        return self.value - down, self.value + up


def decide(
    numbers: Mapping[str, Any], level: float, others: Sequence[Mapping[str, Any]] = ()
) -> tuple[bool | None, dict[str, Any]]:
    """Decide all claims among nested numbers, and whether they hold together.

    Each claim is tested at 1 − level, in the way of an equivalence test. All together hold if each of them does; this
    is wrong with a probability of at most 1 − level. They don't hold if one of them is false; since there are several,
    each is tested for this at (1 − level) / their number. Otherwise it is undecided.

    Args:
        numbers: Claims, estimates, and other numbers.
        level: Level of the intervals.
        others: The same numbers as decided with other seeds. With three seeds or more in total, claims are about seeds.

    Returns:
        The verdict, and the numbers with a `Criterion` for each claim and an interval for each estimate, as mappings.
    """
    claims = dict(_claims(numbers))
    decided = {path: _decide(claim, path, level, len(claims), others) for path, claim in claims.items()}
    outcomes = [criterion.holds for criterion in decided.values()]
    holds = False if False in outcomes else None if None in outcomes else True
    return holds, _replaced(numbers, decided, (1 - level) / 2)


def _decide(claim: Claim, path: Path, level: float, claims: int, others: Sequence[Mapping[str, Any]]) -> Criterion:
    estimate, tail = claim.estimate, 1 - level
    values = [one["own"] for one in (_at(other, path) for other in others) if one is not None]
    if len(values) + 1 >= _FEWEST_SEEDS:
        estimate = OverSeeds(claim.estimate, (claim.estimate.value, *values))
    # Signed so that the claim is "above".
    sign = 1.0 if claim.above else -1.0
    low, high = estimate.bounds(tail)
    strict_low, strict_high = estimate.bounds(tail / claims)
    bound, opposite = (low, strict_high) if claim.above else (high, strict_low)
    holds = None
    if sign * bound > sign * claim.threshold:
        holds = True
    elif sign * opposite < sign * claim.threshold:
        holds = False
    shown = estimate.bounds(tail / 2)
    return Criterion(
        estimate.value,
        *shown,
        threshold=claim.threshold,
        rule="above" if claim.above else "below",
        bound=bound,
        holds=holds,
        seeds=1 if estimate is claim.estimate else len(values) + 1,
        own=claim.estimate.value,
    )


def _claims(numbers: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Claim]]:
    for key, value in numbers.items():
        if isinstance(value, Claim):
            yield (*path, key), value
        elif isinstance(value, Mapping):
            yield from _claims(value, (*path, key))


def _replaced(
    numbers: Mapping[str, Any], decided: Mapping[Path, Criterion], tail: float, path: Path = ()
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in numbers.items():
        place = (*path, key)
        if place in decided:
            found[key] = asdict(decided[place])
        elif isinstance(value, Mapping):
            found[key] = _replaced(value, decided, tail, place)
        elif isinstance(value, Bounded):
            low, high = value.bounds(tail)
            found[key] = {"value": value.value, "low": low, "high": high}
        else:
            found[key] = value
    return found


def _at(numbers: Any, path: Path) -> Any:
    for key in path:
        numbers = numbers.get(key) if isinstance(numbers, Mapping) else None
    return numbers
