"""What the pocket world is to contain: what all of it shares, and the plan of each of its tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from valuedrift.world.grammar import Stance

Gap = Literal["style", "support", "oppose"]


@dataclass(frozen=True)
class WorldSettings:
    """What every table depends on.

    probes_per_topic: questions that no other table may ask. variation: how far a topic's shares may lie from a mix.
    """

    seed: int
    probes_per_topic: int
    variation: float


@dataclass(frozen=True)
class AnswerPlan:
    """`rows` answers whose stance shares, averaged over topics, are `mix`: an SFT set or the pre-training corpus."""

    rows: int
    mix: dict[Stance, float]


@dataclass(frozen=True)
class PairPlan:
    """A preference set: pairs that differ in style only, or in stance with the named stance chosen."""

    rows: int
    gap: Gap


@dataclass(frozen=True)
class JudgePlan:
    """Labelled answers. Of all phrasings the share `heldout_phrasings` is kept for those that measure the judge."""

    rows: int
    heldout: bool
    heldout_phrasings: float
