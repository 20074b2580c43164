"""Suites for the rules: the pocket world, data sets, probe questions and synthetic pairs of a grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from valuedrift.config.check import Config
from valuedrift.config.grid import RESULTS
from valuedrift.config.synthetic_pairs import Writing
from valuedrift.synthetic.writer_requests import read_writer_prompt
from valuedrift.templates import prompt_hash
from valuedrift.workflow.project_encoders import Encoder
from valuedrift.workflow.project_entry import Entry
from valuedrift.workflow.project_judges import ChatModel, Judge
from valuedrift.workflow.rule_parameters import named_inputs
from valuedrift.world.english.texts import controls
from valuedrift.world.grammar import CONTROL

SIDES = ("support", "oppose")


@dataclass(frozen=True)
class DataSet(Entry):
    """A data set of a suite, prepared for training."""

    @property
    def files(self) -> list[str]:
        """The files that it comes from; none if it comes from the hub."""
        return list(self.entry.get("files", []))

    @property
    def settings(self) -> Config:
        return {**self.entry, "name": self.name}

    @property
    def tracked(self) -> Config:
        """The settings that the rows depend on: without title and licence, whose edits must not train again."""
        return self.without("title", "licence")


@dataclass(frozen=True)
class Probes(Entry):
    """The probe questions of the suite with this name.

    Attributes:
        llm: The chat model that makes V-PRISM, if there is one.
    """

    llm: ChatModel | None

    @property
    def files(self) -> list[str]:
        """The file of questions, if there is one."""
        return [self.entry["file"]] if "file" in self.entry else []

    @property
    def table(self) -> str:
        return f"{RESULTS}/probes/{self.name}.parquet"

    @property
    def names_topics(self) -> bool:
        """Whether the source has each question's topic, so that keywords aren't needed."""
        return self.entry["source"] in ("questions", "builtin")

    @property
    def encoder(self) -> Encoder:
        """The sentence encoder of V-PRISM."""
        return Encoder(self.entry["embedding"])

    @property
    def choice(self) -> list[str]:
        """The reviewed choice of topics, if the file exists; if not, the job that reads it explains what is missing."""
        return [self.entry["choice"]] if Path(self.entry["choice"]).exists() else []

    @property
    def proposal(self) -> list[str]:
        """The proposal; empty if a choice exists, so that later edits of topics' titles don't filter again."""
        return [] if self.choice else [f"{RESULTS}/vprism/{self.name}/topics.yaml"]


@dataclass(frozen=True)
class Suite(Entry):
    """The judge, probes, data sets and writer that several models share.

    Attributes:
        judges: The judges of its models' answers.
        reference: The judge that reads a sample of them, if there is one.
        probes: Its probe questions.
        data: Name → data set.
        writer: The chat model that writes its synthetic pairs, if it has any.
    """

    judges: dict[str, Judge]
    reference: Judge | None
    probes: Probes
    data: dict[str, DataSet]
    writer: ChatModel | None

    @classmethod
    def read(cls, name: str, entry: Config, judges: dict[str, Judge], llms: dict[str, ChatModel]) -> Suite:
        asked = entry["probes"]
        probes = Probes(name, asked, llms.get(asked.get("llm")))
        data = {key: DataSet(key, own) for key, own in entry["data"].items()}
        writer = llms.get(entry.get("synthetic", {}).get("writer"))
        names = [entry["judge"]] if isinstance(entry["judge"], str) else entry["judge"]
        reference = judges.get(entry.get("reference", {}).get("judge"))
        return cls(name, entry, {key: judges[key] for key in names}, reference, probes, data, writer)

    @property
    def judge(self) -> Judge:
        """The judge of the values, of data sets and of controls; the first, if the values are of several."""
        return self.judges.get(self.judged_by) or next(iter(self.judges.values()))

    @property
    def judged_by(self) -> str:
        """Whose stances the values are means of: a judge, or how those of several are joined."""
        return str(self.entry.get("judged_by", next(iter(self.judges))))

    @property
    def asked(self) -> list[Judge | ChatModel]:
        """Its judge, and the chat models that it asks."""
        judges = [*self.judges.values(), *([self.reference] if self.reference else [])]
        llms = (*(judge.llm for judge in judges), self.probes.llm, self.writer)
        return [*judges, *(llm for llm in llms if llm)]

    @property
    def has_world(self) -> bool:
        return "world" in self.entry

    @property
    def is_expressed(self) -> bool:
        """Whether the stances of its data sets are measured."""
        return "expression" in self.entry and bool(self.data)

    @property
    def world_settings(self) -> Config:
        """The settings that all tables of its world depend on, without the seed."""
        world = self.entry["world"]
        return {key: world[key] for key in ("language", "probes_per_topic", "variation", "value_free") if key in world}

    @property
    def world_tables(self) -> dict[str, tuple[str, Config]]:
        """The tables of its world: name → (kind, plan); empty if it has no world."""
        return world_tables(self.entry)

    @property
    def labels(self) -> int:
        """Number of answers per stage and topic that the pocket world labels, to correct the judge's errors."""
        return int(self.entry.get("world", {}).get("labels", 0))

    @property
    def controls(self) -> int:
        """Number of answers to each value-free question; 0 if they aren't asked."""
        return int(self.entry.get("controls", 0))

    @property
    def has_value_free(self) -> bool:
        """Whether its world's data have value-free subjects."""
        return bool(self.entry.get("world", {}).get("value_free"))

    @property
    def control_targets(self) -> dict[str, int]:
        """Topic of value-free questions, which is the judge's target → number of questions."""
        if self.has_value_free:
            return {CONTROL: self.entry["world"]["probes_per_topic"]}
        return {topic: len(questions) for topic, questions in controls().items()}

    @property
    def documents(self) -> str:
        """The table of documents on which a model made from scratch is pre-trained."""
        made = f"world/{self.name}/pretraining" if self.has_world else f"data/{self.name}/documents"
        return f"{RESULTS}/{made}.parquet"

    def inputs(self, files: Iterable[str]) -> list[str]:
        """Return files of a data set or of probes as inputs of a rule."""
        made = {f"{RESULTS}/world/{self.name}/{table}" for table in self.world_tables}
        pairs = {f"{RESULTS}/synthetic/{self.name}/{side}" for side in SIDES if self.writer}
        return named_inputs(files, made | pairs)

    def tables(self, data: str) -> list[str]:
        """Return the tables of a data set's training rows and of its held-out rows."""
        return [f"{RESULTS}/data/{self.name}/{data}/{part}.parquet" for part in ("train", "validation")]

    @property
    def planted(self) -> dict[str, str]:
        """Name → data card, for the SFT sets with planted stances."""
        planted = self.entry.get("world", {}).get("sft", {})
        names = [data for data in self.entry["grid"]["sft"] if data in planted]
        return {data: f"{RESULTS}/data/{self.name}/{data}/card.json" for data in names}

    @property
    def preference_sets(self) -> Config:
        """The names of the preference sets with a small value gap and of those aligned with a stance."""
        grid = self.entry["grid"]
        return {key: grid[key] for key in ("small_gap", "support_aligned", "oppose_aligned") if key in grid}

    @property
    def pair_encoder(self) -> Encoder:
        """The sentence encoder that chooses the prompts of synthetic pairs."""
        return Encoder(self.entry["synthetic"]["embedding"])

    @property
    def row_encoder(self) -> Encoder:
        """The sentence encoder that assigns rows of data sets to topics."""
        return Encoder(self.entry["expression"]["model"])

    @property
    def row_retrieval(self) -> Config:
        """The settings that assign rows of data sets to topics."""
        own = self.entry["expression"]
        return {"model": self.row_encoder.name, **{key: own[key] for key in ("threshold", "topics") if key in own}}

    @property
    def pair_retrieval(self) -> Config:
        """The settings that choose the prompts of synthetic pairs from the candidates."""
        return {key: value for key, value in self.entry["synthetic"]["retrieval"].items() if key != "longest"}

    @property
    def writer_prompt(self) -> str:
        """The template of the prompt that asks for synthetic pairs."""
        key = f"suites.{self.name}.synthetic.writing.template"
        return read_writer_prompt(Writing.read(self.entry["synthetic"]["writing"]).template, key)

    def check(self) -> None:
        """Raise ConfigError if there is no such prompt for the writer."""
        if self.writer:
            prompt_hash(self.writer_prompt)

    @property
    def writer_prompt_hash(self) -> str:
        return prompt_hash(self.writer_prompt)


def world_tables(suite: Config) -> dict[str, tuple[str, Config]]:
    world = suite.get("world")
    if not world:
        return {}
    judge, phrasings = world["judge"], {"heldout_phrasings": world["judge"]["heldout_phrasings"]}
    return {
        **{name: ("sft", plan) for name, plan in world["sft"].items()},
        **{name: ("preference", plan) for name, plan in world["preference"].items()},
        "pretraining": ("pretraining", world["pretraining"]),
        "judge_train": ("judge", {"rows": judge["train_rows"], "heldout": False, **phrasings}),
        "judge_heldout": ("judge", {"rows": judge["heldout_rows"], "heldout": True, **phrasings}),
        "probes": ("probes", {}),
    }
