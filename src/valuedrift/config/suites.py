"""Suites: what a model goes through, from its data sets to the judge of its answers."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, create_model, model_validator

from valuedrift.config.data_sets import DataSet
from valuedrift.config.hyperparameters import REWARDED, SETTINGS, Training, read_settings
from valuedrift.config.pocket_world import World
from valuedrift.config.probe_sets import Probes
from valuedrift.config.sampling import DownstreamSettings, Generation
from valuedrift.config.section import (
    Count,
    DataName,
    Invalid,
    Items,
    OneOrSeveral,
    Section,
    Several,
    Text,
    check_names,
)
from valuedrift.config.sources import Encoder
from valuedrift.config.synthetic_pairs import Synthetic
from valuedrift.data_formats.canonical import Kind
from valuedrift.errors import ConfigError

PREFERENCE_ALGORITHMS = tuple(name for name in SETTINGS if name not in ("pretrain", "sft", "reward"))

if TYPE_CHECKING:  # the names are known when this is imported, not to a type checker
    PreferenceAlgorithm = str
else:
    PreferenceAlgorithm = Literal[PREFERENCE_ALGORITHMS]


class RowRetrieval(Section):
    """How rows of a data set are assigned to topics."""

    threshold: Annotated[float, Field(ge=-1, le=1)] = 0.5
    """Minimum cosine between a row and a probe (the paper has 0.5)."""
    topics: Literal["every", "nearest"] = "every"
    """every: a row counts for every topic with a probe at this cosine or above (as in the paper); nearest: a row counts
    only for the topic of its nearest probe, which suits topics with similarly worded questions."""


class RowRetrievalSettings(RowRetrieval):
    """How rows are assigned, as the job reads it: with the encoder's name or folder."""

    model: Text


class Expression(RowRetrieval):
    """Settings for measuring the stances of the data sets themselves (appendix K)."""

    model: Encoder
    """The sentence encoder. The paper has all-mpnet-base-v2."""
    examples: Count
    """Nearest rows listed per data set, topic and stance."""


class Block(Section):
    """One block of the grid."""

    sft: Items[str]
    """SFT data sets, or found stages of the model, whose last checkpoint the runs start from."""
    data: Items[str]
    """Preference data sets."""
    algorithms: Items[PreferenceAlgorithm]
    """Algorithms; each makes one run per SFT set and preference set."""


class Ablation(Section):
    """Runs that differ from the grid's runs in one parameter."""

    name: Annotated[str, Field(pattern="^[a-z0-9-]+$")] | None = None
    """The parameter's name in run names (default its key)."""
    models: Several[str] | None = None
    """Models of the suite that the ablation is for (default all)."""
    sft: Several[str]
    """SFT data sets, or found stages of the model, whose last checkpoint the runs start from."""
    data: Several[str]
    """Preference data sets."""
    algorithm: PreferenceAlgorithm
    """The algorithm whose parameter varies."""
    parameter: str
    """A numeric key of the algorithm's settings."""
    values: Several[int | float]
    """Values of the parameter; for the suite's own value, the grid's run is used."""
    settings: dict[str, int | float] = Field({})
    """Other settings in which all runs of the ablation differ from the suite."""


class Grid(Section):
    """The training runs of the suite."""

    sft: Items[str] = ()
    """Data sets to fine-tune on; keys of `data`."""
    preference: Items[Block] = ()
    """Preference optimisation: for each block, one run per SFT run, data set and algorithm."""
    ablations: Items[Ablation] = ()
    """Runs that differ from the grid's runs in one parameter (appendix J; docs/ablations.md)."""
    small_gap: Items[str] = ()
    """Preference sets with a small value gap (finding 2; default none)."""
    support_aligned: str | None = None
    """The preference set whose chosen answers support the value (finding 3; default none)."""
    oppose_aligned: str | None = None
    """The preference set whose chosen answers oppose the value (finding 3; default none)."""


# One key per algorithm of the settings, so that an algorithm is declared once; type checkers can't follow create_model.
_STEPS: Any = {
    name: (Count | None, Field(None, description=f"Steps between checkpoints of {name}."))
    for name in PREFERENCE_ALGORITHMS
}


class Checkpoints(create_model("_ByAlgorithm", __base__=Section, **_STEPS)):  # type: ignore[misc]
    """Steps between two checkpoints, by algorithm; the last step is saved as well."""

    sft: dict[str, Count] = Field({})
    """Steps between checkpoints of sft, by data set."""


class Reference(Section):
    """A judge that reads a sample of the answers at the ends of runs."""

    judge: str
    """A key of `judges`."""
    labels: Count
    """Answers that it reads per stage of training (base, SFT, preference optimisation) and topic."""


class Suite(Section):
    """One suite. To trace checkpoints that exist already, probes, sampling and a judge are enough (docs/tracing.md)."""

    world: World | None = None
    probes: Probes
    synthetic: Synthetic | None = None
    data: dict[DataName, DataSet] = Field({})
    """Data sets of this suite. Run names contain the keys."""
    expression: Expression | None = None
    """How the stances of the data sets themselves are measured (appendix K; default not at all)."""
    grid: Grid = Grid()
    training: Training = Training()
    checkpoints: Checkpoints = Checkpoints()
    generation: Generation
    judge: OneOrSeveral[str]
    """A key of `judges`, or several, each of which judges every answer (docs/judges.md)."""
    judged_by: str | None = None
    """With several judges, whose stances the values are means of: one of them (default the first); `mean`, the mean of
    their probabilities; or `majority`, the stance that most of them find most probable."""
    reference: Reference | None = None
    """A dear judge that reads a sample of the answers, with which values are corrected (default none)."""
    controls: Annotated[int, Field(ge=0)] = 0
    """Answers of each checkpoint to each of the package's value-free questions, which are negative controls
    (docs/statistics.md); 0: they aren't asked."""
    downstream: DownstreamSettings | None = None
    calibration: Annotated[int, Field(ge=0)] = 0
    """Answers per question at temperature 1 that are compared with planted stances; 0 for data without planted
    stances."""

    @model_validator(mode="after")
    def _judges_differ(self) -> Self:
        ways = ("mean", "majority", *self.judge) if len(self.judge) > 1 else ()
        if self.judged_by is not None and self.judged_by not in ways:
            raise Invalid("judged_by", self.judged_by, ", ".join(ways) or "no such key with one judge")
        if self.reference and self.reference.judge in self.judge:
            raise Invalid("reference.judge", self.reference.judge, "another judge than those that read all answers")
        return self

    @model_validator(mode="after")
    def _grid_is_complete(self) -> Self:
        grid = self.grid
        _check_sets(self, "grid.sft", grid.sft, "sft")
        check_names("checkpoints.sft", self.checkpoints.sft, self.data, "data")
        check_names("checkpoints.sft", grid.sft, self.checkpoints.sft, "checkpoints.sft")
        if grid.sft and self.training.sft is None:
            raise Invalid("training.sft", None, "settings; grid.sft names data sets")
        _check_sets(self, "grid.small_gap", grid.small_gap, "preference")
        for side in ("support_aligned", "oppose_aligned"):
            _check_sets(self, f"grid.{side}", [name for name in [getattr(grid, side)] if name], "preference")
        for number, block in enumerate(grid.preference):
            _check_sets(self, f"grid.preference.{number}.data", block.data, "preference")
            for algorithm in block.algorithms:
                _check_algorithm(self, algorithm)
        for number, ablation in enumerate(grid.ablations):
            _check_ablation(self, ablation, f"grid.ablations.{number}")
        if self.synthetic:
            _check_sets(self, "synthetic.from", self.synthetic.from_, "preference")
        return self


def _check_sets(suite: Suite, key: str, names: Collection[str], kind: Kind) -> None:
    """Check that the data sets exist, and have conversations (sft) or pairs (preference)."""
    check_names(key, names, suite.data, "data")
    for name in names:
        if suite.data[name].kind != kind:
            has = {"sft": "conversations, to fine-tune on", "preference": "preference pairs"}
            do = f"Its format, '{suite.data[name].format}', has {has[suite.data[name].kind]}."
            raise Invalid(key, name, f"a data set of {has[kind]}", do)


def _check_algorithm(suite: Suite, algorithm: str) -> None:
    for section in ("training", "checkpoints"):
        if getattr(getattr(suite, section), algorithm) is None:
            raise Invalid(f"{section}.{algorithm}", None, "an entry; the grid names this algorithm")
    if algorithm in REWARDED and suite.training.reward is None:
        raise Invalid("training.reward", None, f"settings of the reward model that {algorithm} needs")


def _check_ablation(suite: Suite, ablation: Ablation, where: str) -> None:
    algorithm, varied, common = ablation.algorithm, ablation.parameter, ablation.settings
    _check_sets(suite, f"{where}.data", ablation.data, "preference")
    _check_algorithm(suite, algorithm)
    own = getattr(suite.training, algorithm).model_dump(exclude_unset=True)
    numeric = [key for key, value in own.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    for key, name in [("parameter", varied), *((f"settings.{name}", name) for name in common)]:
        check_names(f"{where}.{key}", [name], numeric, f"training.{algorithm} that has a number")
    if varied in common:
        raise Invalid(f"{where}.settings.{varied}", common[varied], "no such key: it is the parameter that varies")
    for value in ablation.values:
        try:
            read_settings(algorithm, {**own, **common, varied: value})
        except ConfigError as error:
            raise Invalid(f"{where}.values.{error.key}", error.found, error.expected) from None
