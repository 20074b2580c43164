"""Chat models and judges for the rules: the folders of their weights, and the settings that results depend on."""

from __future__ import annotations

from dataclasses import dataclass

from valuedrift.config.chat_models import LIMITS
from valuedrift.config.check import Config
from valuedrift.config.grid import RESULTS, checkpoint
from valuedrift.config.stages import BASE
from valuedrift.judging.judge_prompt import LABELS, check_hypotheses, check_labels, read_judge_prompt
from valuedrift.templates import prompt_hash
from valuedrift.workflow.project_encoders import Encoder
from valuedrift.workflow.project_entry import SOURCE, Entry


@dataclass(frozen=True)
class ChatModel(Entry):
    """A chat model (an entry of `llms`) that writes, names, filters or judges."""

    @property
    def is_served(self) -> bool:
        """Whether a server has it, so that jobs need neither weights nor a GPU."""
        return "model" in self.entry

    @property
    def folder(self) -> list[str]:
        """The folder of its weights; empty if a server has it."""
        return [] if self.is_served else [f"{RESULTS}/llms/{self.name}/model"]

    @property
    def stamp(self) -> list[str]:
        """The file whose time and content change when the weights are fetched; empty if a server has them."""
        return [] if self.is_served else [f"{RESULTS}/llms/{self.name}/source.json"]

    @property
    def settings(self) -> Config:
        """Its settings as `valuedrift.llm` reads them; `model` is the folder if no server has it."""
        return self.entry if self.is_served else {**self.without(*SOURCE), "model": self.folder[0]}

    @property
    def tracked(self) -> Config:
        """The settings that a reply depends on: all except limits."""
        return {key: value for key, value in self.settings.items() if key not in LIMITS}


@dataclass(frozen=True)
class Judge(Entry):
    """A judge of stances: a folder of weights, or a chat model.

    Attributes:
        llm: The chat model that judges, if the judge is one.
    """

    llm: ChatModel | None

    @property
    def is_served(self) -> bool:
        """Whether a server has it, so that jobs need neither weights nor a GPU."""
        return bool(self.llm and self.llm.is_served)

    @property
    def is_trained(self) -> bool:
        """Whether the pipeline trains it."""
        return "train" in self.entry

    @property
    def source(self) -> Config:
        """As other entries have it; and whether it is a classifier, whose head is fetched too."""
        found = super().source
        return {**found, "classifier": True} if found and "classifier" in self.entry else found

    @property
    def encoder(self) -> Encoder | None:
        """The encoder from which it is trained, if it is."""
        entry = self.entry.get("train", {}).get("encoder")
        return Encoder(entry) if entry else None

    @property
    def start(self) -> Config:
        """What its training starts from: a shape of random weights, an encoder, or a base model's folder."""
        if self.base:
            return {"base": self.base}
        return {"encoder": self.encoder.name} if self.encoder else dict(self.entry["train"]["shape"])

    @property
    def base(self) -> str:
        """The folder of the base model from which it is trained; empty if there is none."""
        model = self.entry.get("train", {}).get("model")
        return checkpoint(model, BASE, 0) if model else ""

    @property
    def folder(self) -> list[str]:
        """The folder of its weights; empty if it is a chat model."""
        return [] if self.llm else [f"{RESULTS}/judges/{self.name}/model"]

    @property
    def stamp(self) -> list[str]:
        """The file whose time and content change when the weights are made; empty if it is a chat model."""
        kept = "metrics.parquet" if self.is_trained else "source.json"
        return [] if self.llm else [f"{RESULTS}/judges/{self.name}/{kept}"]

    @property
    def settings(self) -> Config:
        return {**self._own, **({"llm": self.llm.settings} if self.llm else {})}

    @property
    def tracked(self) -> Config:
        """The settings that a stance depends on: all except limits, and a hash of the prompt's text."""
        asked = {"llm": self.llm.tracked} if self.llm else {}
        return {**self._own, **asked, "prompt_text": self.prompt_hash}

    @property
    def _own(self) -> Config:
        return self.without(*SOURCE, "train")

    @property
    def prompt(self) -> str:
        """The template of its prompt."""
        return read_judge_prompt(self.entry["prompt"], f"judges.{self.name}")

    def check(self) -> None:
        """Raise ConfigError if there is no such prompt, or it has no places for the labels or hypotheses."""
        where = f"judges.{self.name}"
        if kind := self.entry.get("classifier"):
            check_hypotheses(self.prompt, kind, where)
        else:
            check_labels(self.prompt, self.entry.get("labels", LABELS), where)

    @property
    def prompt_hash(self) -> str:
        """The hash of the prompt's text, so that answers are judged again when the text is edited."""
        return prompt_hash(self.prompt)
