"""Judges: how they are asked, and which models they are."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from valuedrift.config.chat_models import LlmSettings
from valuedrift.config.hyperparameters import Settings
from valuedrift.config.sampling import Precision
from valuedrift.config.section import Count, Invalid, NotNegative, Section, Share, Text
from valuedrift.config.sources import Encoder, HubModel, PackageModel, Shape


def _three_words(labels: tuple[str, ...]) -> tuple[str, ...]:
    words = {label.lower() for label in labels}
    if len(labels) != 3 or len(words) != 3 or any(len(word.split()) != 1 for word in words):
        raise Invalid("", list(labels), "three different words, for support, neutral and oppose")
    return labels


class _Judge(Section):
    prompt: Text
    """A prompt template of the package (stance, stance_reworded, paper, pocket or question; pair or hypotheses for
    classifiers), or the path of your own template."""
    classifier: Literal["stance", "entailment"] | None = None
    """For a sequence-classification model. `stance`: it has a class per stance, with the names in `labels`.
    `entailment`: it has a class "entailment", and the prompt has a hypothesis per stance."""
    labels: Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_three_words)] = (
        "support",
        "neutral",
        "oppose",
    )
    """Words for support, neutral and oppose; each must be a single token for the judge, or a class of a classifier."""
    max_unassigned: Share = 0.5
    """If the probability outside the labels is higher than this, the answer gets no stance."""
    engine: Literal["transformers", "vllm"] = "transformers"
    """The engine that runs a judge in a folder."""
    chat: bool = True
    """Whether a judge in a folder gets the prompt as a user turn of its chat template."""
    batch_size: Count = 32
    """Answers per forward pass of a judge in a folder."""
    precision: Precision | None = None
    """Precision of a judge in a folder (default bfloat16 on GPUs, float32 on CPUs)."""
    llm: object = None
    samples: Annotated[int, Field(ge=0)] = 0
    """Replies drawn per prompt, for chat models that return no log-probabilities; 0: use log-probabilities."""
    temperature: NotNegative = 1.0
    """Sampling temperature of those replies."""
    max_tokens: Count = 2048
    """Maximum length of those replies in tokens, with their reasoning."""
    longer: Annotated[int, Field(ge=0)] = 1
    """How often a reply that was cut off is asked again, with twice the tokens each time."""
    structured: bool = False
    """Whether those replies are JSON that fits a schema with the labels, if the server takes one."""
    effort: Text | None = None
    """How much a reasoning chat model reasons, in the server's words, such as none, low or high (default the server's
    own)."""

    @model_validator(mode="after")
    def _samples_are_replies_of_a_chat_model(self) -> Self:
        if self.samples and self.llm is None:
            raise Invalid("samples", self.samples, "0, or `llm`, which says whom to ask")
        if self.effort and self.llm is None:
            raise Invalid("effort", self.effort, "no such key, or `llm`, which says whom to ask")
        if self.structured and not self.samples:
            raise Invalid("structured", True, "false, or `samples`: a reply in JSON doesn't begin with a label")
        return self

    @model_validator(mode="after")
    def _classifiers_run_in_transformers(self) -> Self:
        if self.classifier and (self.llm is not None or self.engine != "transformers"):
            raise Invalid("classifier", self.classifier, "a model in a folder, with the engine transformers")
        return self


class JudgeTraining(Section):
    """A judge that the pipeline trains on labelled answers of a suite's world."""

    one_of: ClassVar = ("shape", "encoder", "model")

    world: str
    """The suite whose world labels the answers."""
    shape: Shape | None = None
    """The size of a language model that is trained from scratch."""
    encoder: Encoder | None = None
    """The encoder that gets a class per stance and is trained as a whole (a cross-encoder)."""
    model: str | None = None
    """A key of `models`: its base model is trained to write the label after the prompt."""
    settings: Settings
    """Hyper-parameters of the judge's training."""

    @model_validator(mode="after")
    def _sequences_fit_the_context(self) -> Self:
        if self.shape and self.settings.max_length > self.shape.context:
            most = f"at most shape.context ({self.shape.context})"
            raise Invalid("settings.max_length", self.settings.max_length, most)
        if self.settings.lora:
            raise Invalid("settings.lora", "given", "no adapters: judges are trained whole")
        return self


class Judge(_Judge):
    """One judge: a model in a folder, or a chat model."""

    one_of: ClassVar = ("hub", "package", "folder", "train", "llm")

    hub: HubModel | None = None
    package: PackageModel | None = None
    folder: Text | None = None
    """A local folder with the judge's weights and tokenizer."""
    train: JudgeTraining | None = None
    llm: str | None = None
    """A key of `llms`; this chat model judges, over HTTP or in batches."""

    @model_validator(mode="after")
    def _encoders_are_trained_as_classifiers(self) -> Self:
        if self.train and self.classifier != ("stance" if self.train.encoder else None):
            raise Invalid("classifier", self.classifier, "stance with train.encoder, and no such key otherwise")
        return self


class JudgeSettings(_Judge):
    """A judge as jobs read it. One with `llm` is asked as a chat; one without is in a folder that the job is given."""

    llm: LlmSettings | None = None

    @model_validator(mode="after")
    def _chat_models_give_probabilities_or_samples(self) -> Self:
        if self.llm and not self.samples and self.llm.backend in ("vllm", "transformers"):
            do = "A judge with weights of its own is named by `folder` and `engine`."
            raise Invalid("llm.backend", self.llm.backend, "http or batch", do)
        asked = "structured" if self.structured else "effort" if self.effort else ""
        if asked and self.llm and self.llm.backend not in ("http", "batch"):
            raise Invalid(asked, getattr(self, asked), "no such key, or a chat model with the backend http or batch")
        return self
