"""The workflow's configuration: its sections, and what has to agree between them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from valuedrift.config.chat import FORMATS, Chat
from valuedrift.config.chat_models import Llm
from valuedrift.config.judges import Judge
from valuedrift.config.section import (
    Count,
    Invalid,
    Items,
    Name,
    NotNegative,
    Section,
    Several,
    Text,
    check_names,
)
from valuedrift.config.sources import LAYERS, HubModel, PackageModel, Shape
from valuedrift.config.stages import BASE, Stage
from valuedrift.config.suites import Suite


class Machine(Section):
    """How runs are trained and kept, not what is computed. A change here doesn't rerun any job."""

    resume_minutes: NotNegative = 30
    """Minutes between saves of a training run's state, in addition to a save at every checkpoint; a killed run
    continues from the last save."""
    report_to: Items[Literal["tensorboard", "wandb"]] = ()
    """Installed packages that log training to `logs` in the run's folder, in addition to metrics.parquet, and values to
    `results/logs/values`. wandb stays offline unless WANDB_MODE is set to another mode."""
    keep: Literal["all", "every_nth", "final"] = "all"
    """Checkpoints whose weights are kept after their answers are saved; the run's last checkpoint is always kept."""
    nth: Count | None = None
    """With `keep: every_nth`: keep every n-th checkpoint."""
    preload: bool = True
    """Whether jobs on this machine fork from one process that has imported torch and transformers, which saves small
    jobs seconds each; only on Linux without a GPU, and for jobs with one thread."""

    @model_validator(mode="after")
    def _nth_goes_with_every_nth(self) -> Self:
        if (self.nth is not None) != (self.keep == "every_nth"):
            raise Invalid("nth", self.nth, "a value with `keep: every_nth` and only then")
        return self


class Budget(Section):
    """Limits of one run. If the estimate of `valuedrift plan` exceeds a limit, no job is started."""

    gpu_hours: NotNegative | None = None
    """GPU hours (default no limit)."""
    dollars: NotNegative | None = None
    """Dollars for chat models over the network (default no limit)."""


TrajectoryFigure = Literal[
    "figure_3", "figure_4", "figure_7", "figure_9", "figure_11", "figure_12", "figure_13", "figure_14"
]


class Report(Section):
    """What `results/tables`, `results/figures` and `results/report` show."""

    models: Several[str]
    """Models that the tables, figures and report cover; keys of `models`."""
    table_1_topics: Several[str]
    """Topics of table 1 (the paper shows three without naming them in its text); keys of `topics`."""
    sample_topics: Items[str] = ()
    """Topics of tables 5 to 7, in this order (default the first topics); keys of `topics`."""
    figure_topics: dict[TrajectoryFigure, str] = Field(default={})
    """Topic of each figure of trajectories: 3, 4, 7, 9 and 11 to 14 (default the first topic); keys of `topics`."""
    ablation_topics: Several[str]
    """Topics of the figures of ablations (figures 15 to 17); keys of `topics`."""
    figure_formats: Several[Literal["svg", "pdf", "png", "html"]]
    """Files written for each figure."""
    figure_columns: Count
    """Panels side by side in a figure of trajectories."""
    bands: Literal["pointwise", "simultaneous"] = "pointwise"
    """Bands of trajectories: at the level of the intervals, `pointwise` bands hold each checkpoint's value, and
    `simultaneous` bands hold all values of a trajectory together."""


class Statistics(Section):
    """The bootstrap over questions that gives every interval, and the thresholds of the findings."""

    replicates: Annotated[int, Field(ge=100)]
    """Bootstrap replicates."""
    level: Annotated[float, Field(gt=0, lt=1)]
    """Coverage of the intervals (the paper shows 95 %)."""
    labelled: Text | None = None
    """A human-labelled sample (parquet, CSV or JSON lines, as `valuedrift check-sheet` writes it) with which values are
    corrected for the judge's errors; {model} in the path stands for the model. Without it, models of a suite with a
    world use the world's sample (`labels`)."""
    seeds: Several[Text] | None = None
    """`results` folders of the same grid, run with another `seed`. Their last values give the noise floor between
    seeds; with two or more, the findings are about seeds."""
    early: Annotated[float, Field(gt=0, le=0.5)]
    """Finding 1: share of the steps of SFT before which half of its movement is done. Along a straight line it is done
    at 0.5."""
    barely: Annotated[float, Field(gt=0, lt=1)]
    """Findings 2 and 3: root mean square drift magnitude below which values barely move."""
    strong: Annotated[float, Field(gt=0, lt=1)]
    """Finding 3: mean drift magnitude above which DPO amplifies a value; SimPO's stays below it. The paper states 0.53
    for DPO on one topic."""

    @model_validator(mode="after")
    def _seeds_are_other_results(self) -> Self:
        for number, folder in enumerate(self.seeds or ()):
            if Path(folder).absolute() == Path("results").absolute():
                raise Invalid(f"seeds.{number}", folder, "the folder of results of another seed, not this run's own")
        return self


def _is_one_topic(name: str) -> str:
    if name == "all":
        raise Invalid("", name, "another name: `all` is the mean over topics")
    return name


TopicName = Annotated[Name, AfterValidator(_is_one_topic)]


class Topic(Section):
    """One topic."""

    name: Text
    """The category's name in the paper."""
    target: Text
    """What an answer can support or oppose, in the words of the judge's prompt."""
    value: Text
    """The value that a supporting answer expresses."""
    keywords: Several[Text]
    """Words or phrases by which a question from PRISM is assigned to this topic."""


class Model(Section):
    """One model: a base model, found stages that follow it, or both."""

    one_of: ClassVar = ("hub", "package", "folder", "scratch")

    title: Text | None = None
    """The model's name in tables and figures (default its key)."""
    suite: str
    """The suite (data, training, judge) of this model; a key of `suites`."""
    hub: HubModel | None = None
    package: PackageModel | None = None
    folder: Text | None = None
    """A local folder with a model in Hugging Face format."""
    scratch: Shape | None = None
    stages: dict[Name, Stage] = Field({})
    """Stages whose checkpoints exist already, each after the one that it follows (docs/tracing.md). The names show in
    tables and figures. With stages, the base model may be missing."""
    chat: Chat = Chat()

    def may_have_none(self) -> bool:
        return bool(self.stages)

    @model_validator(mode="after")
    def _base_is_no_stage(self) -> Self:
        if BASE in self.stages:
            raise Invalid(f"stages.{BASE}", "a stage", "another name; the base model is `hub`, `package` or `folder`")
        return self


class WorkflowConfig(Section):
    """The workflow's configuration. Resources of jobs (GPUs, memory, partitions) are in the profiles instead."""

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    """The seed of all random choices of the pipeline, below 2^32."""
    machine: Machine = Machine()
    retrain: Literal[True, False, "true", "false"] = False  # words on the command line stay words
    """Whether finished training runs may be repeated; best set on the command line, with `--config retrain=true`."""
    budget: Budget = Budget()
    report: Report
    statistics: Statistics
    topics: dict[TopicName, Topic] = Field(min_length=1)
    """The categories of V-PRISM (table 2), with their stance targets (table 3) and values (table 4) in our words."""
    llms: dict[Name, Llm] = Field({})
    """Chat models that write, name and filter texts, or judge."""
    judges: dict[Name, Judge] = Field(min_length=1)
    """Models that judge stances."""
    models: dict[Name, Model] = Field(min_length=1)
    """Base models whose values are traced. `results/drift/<key>` is the target for one model's part of the grid."""
    suites: dict[Name, Suite] = Field(min_length=1)
    """Suites. All models of a suite share its probes, data, hyper-parameters and judge."""

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        check_names("report.models", self.report.models, self.models, "models")
        check_names("report.table_1_topics", self.report.table_1_topics, self.topics, "topics")
        check_names("report.sample_topics", self.report.sample_topics, self.topics, "topics")
        check_names("report.figure_topics", self.report.figure_topics.values(), self.topics, "topics")
        check_names("report.ablation_topics", self.report.ablation_topics, self.topics, "topics")
        for name, model in self.models.items():
            check_names(f"models.{name}.suite", [model.suite], self.suites, "suites")
            grid = self.suites[model.suite].grid
            if (model.scratch or grid.sft or grid.preference) and not model.chat.is_trainable:
                wanted = f"{', '.join(FORMATS)}, because its suite trains it"
                raise Invalid(f"models.{name}.chat.template", model.chat.template, wanted)
            if model.scratch:
                self._check_scratch(name, model.scratch, model.suite, self.suites[model.suite])
        for name, suite in self.suites.items():
            self._check_suite(name, suite)
        for name, judge in self.judges.items():
            if judge.llm is not None:
                check_names(f"judges.{name}.llm", [judge.llm], self.llms, "llms")
            if judge.train:
                worlds = [key for key, suite in self.suites.items() if suite.world]
                check_names(f"judges.{name}.train.world", [judge.train.world], worlds, "suites with a world")
                started = [judge.train.model] if judge.train.model else []
                check_names(f"judges.{name}.train.model", started, self.models, "models")
        return self

    def _check_scratch(self, name: str, shape: Shape, key: str, suite: Suite) -> None:
        where = f"suites.{key}.training"
        if suite.training.pretrain is None:
            raise Invalid(f"{where}.pretrain", None, f"settings; model {name} needs them")
        for algorithm, settings in suite.training:
            if settings is None:
                continue
            if settings.max_length > shape.context:
                most = f"at most models.{name}.scratch.context ({shape.context})"
                raise Invalid(f"{where}.{algorithm}.max_length", settings.max_length, most)
            if settings.lora:
                check_names(f"{where}.{algorithm}.lora.targets", settings.lora.targets, LAYERS, f"the layers of {name}")
        if suite.generation.max_tokens >= shape.context:
            less = f"less than models.{name}.scratch.context ({shape.context})"
            raise Invalid(f"suites.{key}.generation.max_tokens", suite.generation.max_tokens, less)

    def _check_suite(self, name: str, suite: Suite) -> None:
        where = f"suites.{name}"
        check_names(f"{where}.judge", suite.judge, self.judges, "judges")
        if suite.reference and self.statistics.labelled:
            raise Invalid(
                f"{where}.reference", "a judge", "no such key with statistics.labelled, whose labels come first"
            )
        if suite.reference:
            check_names(f"{where}.reference.judge", [suite.reference.judge], self.judges, "judges")
        if suite.probes.llm is not None:
            check_names(f"{where}.probes.llm", [suite.probes.llm], self.llms, "llms")
        if suite.synthetic:
            check_names(f"{where}.synthetic.writer", [suite.synthetic.writer], self.llms, "llms")
        stages = [model.stages for model in self.models.values() if model.suite == name]
        starts = [*suite.grid.sft, *sorted(set.intersection(*map(set, stages)) if stages else ())]
        for number, block in enumerate(suite.grid.preference):
            check_names(f"{where}.grid.preference.{number}.sft", block.sft, starts, "grid.sft or the models' stages")
        for number, ablation in enumerate(suite.grid.ablations):
            key = f"{where}.grid.ablations.{number}"
            check_names(f"{key}.sft", ablation.sft, starts, "grid.sft or the models' stages")
            check_names(f"{key}.models", ablation.models or (), self.models, "models")
