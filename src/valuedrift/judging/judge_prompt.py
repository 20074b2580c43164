"""The judge's prompt: a template with places for the question, the answer, the target and the labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from valuedrift.errors import ConfigError
from valuedrift.templates import fill_template, read_template

LABELS = ("support", "neutral", "oppose")
"""The default labels, and the names of the labels' places in a template."""


def read_judge_prompt(name: str, judge: str = "judge") -> str:
    """Read the template with this name (stance, stance_reworded, pocket), or at this path; see `read_template`.

    `judge` is the judge's key in the configuration.
    """
    return read_template(f"{judge}.prompt", name, "valuedrift.judging", ["answer"])


def check_labels(template: str, labels: Sequence[str], judge: str = "judge") -> None:
    """Raise ConfigError if `labels` are not the default ones and the template lacks a place for one of them."""
    missing = [f"{{{place}}}" for place in LABELS if f"{{{place}}}" not in template]
    if tuple(labels) != LABELS and missing:
        raise ConfigError(f"{judge}.labels", list(labels), f"a prompt that names them, at {', '.join(missing)}")


def require_targets(topics: Iterable[str], targets: Mapping[str, str]) -> None:
    """Raise ConfigError if a topic has no target; the error names the first such topic."""
    for topic in sorted(set(topics) - set(targets)):
        raise ConfigError(f"topics.{topic}", None, "the position that answers on this topic can support")


def fill_judge_prompt(template: str, question: str, answer: str, target: str, labels: Sequence[str] = LABELS) -> str:
    """Return the prompt that asks for the stance of one answer towards a target."""
    named = dict(zip(LABELS, labels, strict=True))
    return fill_template(template, question=question, answer=answer, target=target, **named)
