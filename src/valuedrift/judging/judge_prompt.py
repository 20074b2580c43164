"""The judge's prompt: a template with places for the question, the answer, the target and the labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from valuedrift.errors import ConfigError
from valuedrift.templates import fill_template, read_template

LABELS = ("support", "neutral", "oppose")
"""The default labels, and the names of the labels' places in a template."""

_RULE = "\n---\n"
"""What ends the first part of a classifier's prompt."""


def read_judge_prompt(name: str, judge: str = "judge") -> str:
    """Read the template with this name (stance, paper, …), or at this path; see `read_template`.

    `judge` is the judge's key in the configuration.
    """
    return read_template(f"{judge}.prompt", name, "valuedrift.judging", ["answer"])


def check_labels(template: str, labels: Sequence[str], judge: str = "judge") -> None:
    """Raise ConfigError if `labels` are not the default ones and the template lacks a place for one of them."""
    missing = [f"{{{place}}}" for place in LABELS if f"{{{place}}}" not in template]
    if tuple(labels) != LABELS and missing:
        raise ConfigError(f"{judge}.labels", list(labels), f"a prompt that names them, at {', '.join(missing)}")


def check_hypotheses(template: str, classifier: str, judge: str = "judge") -> None:
    """Raise ConfigError unless a classifier's template has its line `---`, and as many lines before as it needs."""
    wanted = 1 if classifier == "stance" else len(LABELS)
    lines, text = hypotheses_and_text(template)
    if len(lines) != wanted or "{answer}" not in text or not all(lines):
        expected = f"{wanted} line(s), such as {{target}} or a hypothesis per stance, a line ---, and then {{answer}}"
        raise ConfigError(f"{judge}.prompt", template, expected, "The package's are pair and hypotheses.")


def hypotheses_and_text(prompt: str) -> tuple[list[str], str]:
    """Return the lines that a classifier reads in a pair with the text, and the text."""
    first, _, text = prompt.partition(_RULE)
    return first.split("\n"), text


def require_targets(topics: Iterable[str], targets: Mapping[str, str]) -> None:
    """Raise ConfigError if a topic has no target; the error names the first such topic."""
    for topic in sorted(set(topics) - set(targets)):
        raise ConfigError(f"topics.{topic}", None, "the position that answers on this topic can support")


def fill_judge_prompt(template: str, question: str, answer: str, target: str, labels: Sequence[str] = LABELS) -> str:
    """Return the prompt that asks for the stance of one answer towards a target."""
    named = dict(zip(LABELS, labels, strict=True))
    return fill_template(template, question=question, answer=answer, target=target, **named)
