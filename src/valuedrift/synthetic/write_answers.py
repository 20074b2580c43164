"""What the writer is asked: an answer that supports the topic's value, or one that opposes it (appendix E)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from valuedrift.errors import ConfigError
from valuedrift.llm.request import ChatRequest, Turn

SIDES = ("support", "oppose")
Topics = Mapping[str, Mapping[str, str]]
"""By key of the topic its `target` and `value`, as in the configuration."""

_WORDS = {"support": "in favour of", "oppose": "against"}
_PLACE = re.compile(r"\{(side|value|target)\}")


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


def read_template(name: str) -> str:
    """The system prompt of that name in the package, or else the text of the file at that path.

    Raises ConfigError where there is none, and where it lacks {value} or {side}.
    """
    packaged = files("valuedrift.synthetic") / "prompts" / f"{name}.txt"
    source = packaged if packaged.is_file() else Path(name)
    if not source.is_file():
        raise ConfigError("synthetic.template", name, "the package's template (writer) or the path of a file")
    template = source.read_text(encoding="utf-8").strip()
    if not {"value", "side"} <= set(_PLACE.findall(template)):
        raise ConfigError("synthetic.template", template, "a template with {value} and {side}")
    return template


def writing_request(task: Task, attempt: int, template: str, topics: Topics, settings: WriterSettings) -> ChatRequest:
    """The request for a task; `attempt` counts from 0.

    The template becomes the system turn, filled from the configuration alone; the prompt is the user turn as it is.
    Raises ConfigError for a topic without value or target.
    """
    words = {key: _word(topics, task.topic, key) for key in ("value", "target")} | {"side": _WORDS[task.side]}
    system = _PLACE.sub(lambda place: words[place[1]], template)
    return ChatRequest(
        turns=(Turn("system", system), Turn("user", task.prompt)),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        seed=request_seed(settings.seed, task.prompt_id, attempt),
    )


def request_seed(seed: int, prompt_id: str, attempt: int) -> int:
    """A prompt's own seed plus the attempt: prompts with one seed would draw the same random numbers."""
    start = hashlib.sha256(f"{seed}:{prompt_id}".encode()).hexdigest()[:7]
    return int(start, 16) + attempt


def _word(topics: Topics, topic: str, key: str) -> str:
    text = topics.get(topic, {}).get(key)
    if not text:
        raise ConfigError(f"topics.{topic}.{key}", text, "a text: answers are written about it")
    return text
