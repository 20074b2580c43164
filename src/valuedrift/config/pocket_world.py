"""The pocket world: its size, and what is planted in it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from valuedrift.config.section import Count, DataName, Invalid, Section, Share

Stance = Literal["support", "neutral", "oppose"]
HeldOut = Annotated[float, Field(gt=0, lt=1)]


def _sums_to_one(mix: dict[Stance, float]) -> dict[Stance, float]:
    if len(mix) != 3 or abs(sum(mix.values()) - 1) > 1e-6:
        raise Invalid("", mix, "shares of support, neutral and oppose that sum to 1")
    return mix


class AnswerPlan(Section):
    """Answers with planted stances."""

    rows: Count
    """Their number."""
    mix: Annotated[dict[Stance, Share], AfterValidator(_sums_to_one)]
    """Shares of support, neutral and oppose, averaged over topics; they sum to 1."""


class PairPlan(Section):
    """One preference set."""

    rows: Count
    """Its pairs."""
    gap: Literal["style", "support", "oppose"]
    """style: both answers of a pair have one stance; support or oppose: the stance of the chosen answer."""


class WorldJudge(Section):
    """Labelled answers for a judge that the pipeline trains."""

    train_rows: Count
    """Answers that it learns from."""
    heldout_rows: Count
    """Answers that measure it."""
    heldout_phrasings: HeldOut
    """Share of phrasings that it never sees in training."""


class JudgePlan(Section):
    """Labelled answers, as the job reads them: `heldout` tells those that measure the judge from those that train
    it."""

    rows: Count
    heldout: bool
    heldout_phrasings: HeldOut


class _World(Section):
    probes_per_topic: Annotated[int, Field(ge=1, le=40)]
    """Questions per topic kept for probing only."""
    variation: Annotated[float, Field(ge=0, le=0.3)]
    """How far a topic's planted shares lie from the mix of their set."""


class WorldSettings(_World):
    """What every table of the world depends on."""

    seed: int


class World(_World):
    """The pocket world's size and what is planted in it."""

    pretraining: AnswerPlan
    """The pre-training corpus."""
    sft: dict[DataName, AnswerPlan]
    """SFT sets."""
    preference: dict[DataName, PairPlan]
    """Preference sets."""
    judge: WorldJudge
    """Labelled answers for a judge that the pipeline trains."""
    labels: Annotated[int, Field(ge=0)] = 0
    """Judged answers per stage and topic that the world labels; values are corrected by them unless
    `statistics.labelled` names a sample. 0: none."""

    @model_validator(mode="after")
    def _mixes_leave_room_for_variation(self) -> Self:
        for key, plan in {"pretraining": self.pretraining, **self.sft}.items():
            room = min(max(plan.mix.values()), 1 - max(plan.mix.values()))
            if self.variation > room + 1e-6:
                raise Invalid("variation", self.variation, f"at most {room:.3g}, which {key}'s mix leaves")
        return self
