"""The judge's prompt: a template with places for the question, the answer, the target and the labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from valuedrift.errors import ConfigError
from valuedrift.templates import fill_template, read_template

LABELS = ("support", "neutral", "oppose")
"""The labels that a template shows unless others are chosen, and the names of their places in it."""


def read_judge_prompt(name: str) -> str:
    """The judge's template of that name (stance, pocket), or the one at that path; see `read_template`."""
    return read_template("judge.prompt", name, "valuedrift.judging", ["answer"])


def check_labels(template: str, labels: Sequence[str]) -> None:
    """Raise ConfigError if `labels` are not the default ones and the template has no places for them."""
    missing = [f"{{{place}}}" for place in LABELS if f"{{{place}}}" not in template]
    if tuple(labels) != LABELS and missing:
        raise ConfigError("judge.labels", list(labels), f"a prompt that names them, at {', '.join(missing)}")


def require_targets(topics: Iterable[str], targets: Mapping[str, str]) -> None:
    """Raise ConfigError for the first of `topics` that has no target."""
    for topic in sorted(set(topics) - set(targets)):
        raise ConfigError(f"topics.{topic}", None, "the position that answers on this topic can support")


def fill_judge_prompt(template: str, question: str, answer: str, target: str, labels: Sequence[str] = LABELS) -> str:
    """The prompt that asks for the stance of one answer on a target."""
    named = dict(zip(LABELS, labels, strict=True))
    return fill_template(template, question=question, answer=answer, target=target, **named)
