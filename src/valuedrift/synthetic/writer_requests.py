"""Requests to the writer: an answer that supports the topic's value, or one that opposes it (appendix E)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from valuedrift.digests import text_digest
from valuedrift.errors import ConfigError
from valuedrift.llm.request import ChatRequest, Turn
from valuedrift.templates import fill_template, read_template

SIDES = ("support", "oppose")
Topics = Mapping[str, Mapping[str, str]]
"""Topic key → its `target` and `value`, as in the configuration."""

_SIDE_WORDS = {"support": "in favour of", "oppose": "against"}


@dataclass(frozen=True)
class WriterSettings:
    """How answers are written and checked.

    template: a packaged template (writer) or the path of one · max_tokens: per answer · attempts: per answer, each with
    another seed · minimum: the least probability that the judge gives to the stance asked for
    """

    seed: int
    template: str = "writer"
    temperature: float = 0.7
    max_tokens: int = 512
    attempts: int = 3
    minimum: float = 0.5

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ConfigError("synthetic.attempts", self.attempts, "a whole number from 1")
        if self.attempts > 1 and self.temperature <= 0:
            raise ConfigError("synthetic.temperature", self.temperature, "more than 0, or every attempt is the same")
        if not 0 <= self.minimum <= 1:
            raise ConfigError("synthetic.minimum", self.minimum, "a probability")


@dataclass(frozen=True)
class Task:
    """One answer to write: to `prompt`, on `side` of the topic's value."""

    prompt_id: str
    topic: str
    prompt: str
    side: str


def read_writer_prompt(name: str) -> str:
    """The writer's system prompt of that name (writer), or the one at that path; see `read_template`."""
    return read_template("synthetic.template", name, "valuedrift.synthetic", ["value", "side"])


def writing_request(task: Task, attempt: int, template: str, topics: Topics, settings: WriterSettings) -> ChatRequest:
    """The request for a task; `attempt` counts from 0.

    The template, filled only from the configuration, is the system turn; the unchanged prompt is the user turn.

    Raises:
        ConfigError: The topic has no value or target.
    """
    about = {key: _topic_text(topics, task.topic, key) for key in ("value", "target")}
    system = fill_template(template, side=_SIDE_WORDS[task.side], **about)
    return ChatRequest(
        turns=(Turn("system", system), Turn("user", task.prompt)),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        seed=request_seed(settings.seed, task.prompt_id, attempt),
    )


def request_seed(seed: int, prompt_id: str, attempt: int) -> int:
    """The prompt's own seed plus the attempt; with one seed, all prompts would draw the same random numbers."""
    return int(text_digest(f"{seed}:{prompt_id}")[:7], 16) + attempt


def _topic_text(topics: Topics, topic: str, key: str) -> str:
    text = topics.get(topic, {}).get(key)
    if not text:
        raise ConfigError(f"topics.{topic}.{key}", text, "a text: answers are written about it")
    return text
