"""Requests to the writer: an answer that supports the topic's value, or one that opposes it (appendix E)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from valuedrift.config.synthetic_pairs import WriterSettings
from valuedrift.digests import text_digest
from valuedrift.llm.request import ChatRequest, Turn
from valuedrift.templates import fill_template, read_template

SIDES = ("support", "oppose")
Topics = Mapping[str, Mapping[str, str]]
"""Topic key → its `target` and `value`, as in the configuration."""

_SIDE_WORDS = {"support": "in favour of", "oppose": "against"}


@dataclass(frozen=True)
class Task:
    """An answer to write: to `prompt`, on `side` of the topic's value."""

    prompt_id: str
    topic: str
    prompt: str
    side: str


def read_writer_prompt(name: str, key: str = "synthetic.writing.template") -> str:
    """Read the writer's system prompt with this name (writer) or path; `key` names it, see `read_template`."""
    return read_template(key, name, "valuedrift.synthetic", ["value", "side"])


def writing_request(task: Task, attempt: int, template: str, topics: Topics, settings: WriterSettings) -> ChatRequest:
    """Make the request for a task; `attempt` counts from 0.

    The system turn is the template, filled only from the configuration; the user turn is the unchanged prompt.
    """
    topic = topics[task.topic]
    system = fill_template(template, side=_SIDE_WORDS[task.side], value=topic["value"], target=topic["target"])
    return ChatRequest(
        turns=(Turn("system", system), Turn("user", task.prompt)),
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        seed=request_seed(settings.seed, task.prompt_id, attempt),
    )


def request_seed(seed: int, prompt_id: str, attempt: int) -> int:
    """Return the prompt's own seed plus the attempt; with one seed, all prompts would get the same random numbers."""
    return int(text_digest(f"{seed}:{prompt_id}")[:7], 16) + attempt
