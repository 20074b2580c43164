"""What the pocket world contains: common settings, and the plan of each of its tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from valuedrift.world.grammar import Stance

Gap = Literal["style", "support", "oppose"]


@dataclass(frozen=True)
class WorldSettings:
    """Settings of all tables.

    Attributes:
        probes_per_topic: questions per topic that no other table may ask.
        variation: the most by which a topic's stance shares differ from the mix.
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
    """Labelled answers. The share `heldout_phrasings` of all phrasings is kept for the answers that test the judge."""

    rows: int
    heldout: bool
    heldout_phrasings: float
