"""What the pocket world is to contain: row counts and planted stance shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from valuedrift.world.grammar import STANCES, Stance

Gap = Literal["style", "support", "oppose"]


@dataclass(frozen=True)
class SftPlan:
    """An SFT set: `rows` answers whose stance shares, averaged over topics, are `mix`."""

    rows: int
    mix: dict[Stance, float]


@dataclass(frozen=True)
class PairPlan:
    """A preference set: pairs that differ in style only, or in stance with the named stance chosen."""

    rows: int
    gap: Gap


@dataclass(frozen=True)
class WorldSettings:
    """The whole world. `variation`: how far a topic's shares may lie from the mix of its set."""

    seed: int
    probes_per_topic: int
    pretraining_rows: int
    pretraining_mix: dict[Stance, float]
    variation: float
    sft: dict[str, SftPlan]
    preference: dict[str, PairPlan]
    judge_rows: int
    judge_heldout_rows: int
    judge_heldout_phrasings: float

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> WorldSettings:
        """Read the `world` part of a suite (validated against the configuration's schema) with its `seed`."""
        sft = {name: SftPlan(plan["rows"], _mix(plan["mix"])) for name, plan in raw["sft"].items()}
        pairs = {name: PairPlan(plan["rows"], plan["gap"]) for name, plan in raw["preference"].items()}
        rest = {key: value for key, value in raw.items() if key not in ("sft", "preference", "pretraining_mix")}
        return cls(sft=sft, preference=pairs, pretraining_mix=_mix(raw["pretraining_mix"]), **rest)


def _mix(raw: dict[str, float]) -> dict[Stance, float]:
    return {stance: raw[stance] for stance in STANCES}
