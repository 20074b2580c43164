"""The pocket world: its size, and what is planted in it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from valuedrift.config.section import Count, DataName, Invalid, Section, Share

Stance = Literal["support", "neutral", "oppose"]
LanguageName = Literal["grammar", "english"]
HeldOut = Annotated[float, Field(gt=0, lt=1)]


def _sums_to_one(mix: dict[Stance, float]) -> dict[Stance, float]:
    if len(mix) != 3 or abs(sum(mix.values()) - 1) > 1e-6:
        raise Invalid("", mix, "shares of support, neutral and oppose that sum to 1")
    return mix


class AnswerPlan(Section):
    """Answers with planted stances."""

    rows: Count
    """Number of answers."""
    mix: Annotated[dict[Stance, Share], AfterValidator(_sums_to_one)]
    """Shares of support, neutral and oppose, averaged over topics; they sum to 1."""


class PairPlan(Section):
    """One preference set."""

    rows: Count
    """Number of pairs."""
    gap: Literal["none", "style", "support", "oppose"]
    """style: both answers of a pair have the same stance, but one style is preferred; none: not even a style is;
    support or oppose: the stance of the chosen answer."""


class WorldJudge(Section):
    """Labelled answers for a judge that the pipeline trains."""

    train_rows: Count
    """Number of answers in the judge's training data."""
    heldout_rows: Count
    """Number of answers on which the judge's accuracy is measured."""
    heldout_phrasings: HeldOut
    """Share of phrasings that are not in the judge's training data."""


class JudgePlan(Section):
    """Labelled answers, as the job reads them."""

    rows: Count
    heldout: bool
    """Whether the judge is measured on them, not trained on them."""
    heldout_phrasings: HeldOut


class _World(Section):
    language: LanguageName = "grammar"
    """grammar: generated sentences of few words, for the smallest models; english: questions and arguments that were
    written for this project."""
    probes_per_topic: Annotated[int, Field(ge=1, le=50)]
    """Questions per topic that are kept for probing."""
    variation: Annotated[float, Field(ge=0, le=0.5)]
    """Largest difference between a topic's planted shares and the mix of its set."""
    value_free: Annotated[float, Field(ge=0, le=0.5)] = 0
    """Share of all rows that are about value-free subjects, with stances in equal parts and pairs without a gap. The
    suite's `controls` are then questions about these. Only in the language grammar."""


class WorldSettings(_World):
    """What every table of the world depends on."""

    seed: int


class World(_World):
    """A pocket world that generates the data: its size and its planted stances."""

    pretraining: AnswerPlan
    """The pre-training corpus."""
    sft: dict[DataName, AnswerPlan]
    """SFT sets."""
    preference: dict[DataName, PairPlan]
    """Preference sets."""
    judge: WorldJudge
    labels: Annotated[int, Field(ge=0)] = 0
    """Judged answers per stage and topic that the world labels; values are corrected with them unless
    `statistics.labelled` names another sample. 0: none."""

    @model_validator(mode="after")
    def _value_free_subjects_are_in_the_grammar(self) -> Self:
        if self.value_free and self.language != "grammar":
            raise Invalid("value_free", self.value_free, "0, since only the language grammar has value-free subjects")
        return self

    @model_validator(mode="after")
    def _mixes_leave_room_for_variation(self) -> Self:
        for key, plan in {"pretraining": self.pretraining, **self.sft}.items():
            room = min(max(plan.mix.values()), 1 - max(plan.mix.values()))
            if self.variation > room + 1e-6:
                raise Invalid("variation", self.variation, f"at most {room:.3g}, which {key}'s mix leaves")
        return self
