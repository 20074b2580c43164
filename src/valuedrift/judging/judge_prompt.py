"""Judge prompts: template files with places for the question, the answer, the target and the labels."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from valuedrift.errors import ConfigError

LABELS = ("support", "neutral", "oppose")
"""The labels that a template shows unless others are chosen; also the names of their places in it."""

_PLACE = re.compile(r"\{(question|answer|target|support|neutral|oppose)\}")


def read_prompt(name: str) -> str:
    """The template of that name in the package (stance, pocket), or else the text of the file at that path.

    Trailing white space is dropped, so that the label is the next token. Raises ConfigError if there is no such
    template, or if it has no {answer}.
    """
    packaged = files("valuedrift.judging") / "prompts" / f"{name}.txt"
    source = packaged if packaged.is_file() else Path(name)
    if not source.is_file():
        known = "one of the package's templates (pocket, stance) or the path of a file"
        raise ConfigError("judge.prompt", name, known)
    template = source.read_text(encoding="utf-8").rstrip()
    if "{answer}" not in template:
        raise ConfigError("judge.prompt", template, "a template with {answer}, and as a rule {question} and {target}")
    return template


def check_labels(template: str, labels: Sequence[str]) -> None:
    """Raise ConfigError if `labels` are not the default ones and the template has no places for them."""
    missing = [f"{{{place}}}" for place in LABELS if f"{{{place}}}" not in template]
    if tuple(labels) != LABELS and missing:
        raise ConfigError("judge.labels", list(labels), f"a prompt that tells them, at {', '.join(missing)}")


def prompt_hash(template: str) -> str:
    """The template's version: the first 16 hex characters of its SHA-256."""
    return hashlib.sha256(template.encode()).hexdigest()[:16]


def fill_prompt(template: str, question: str, answer: str, target: str, labels: Sequence[str] = LABELS) -> str:
    """Put all texts in their places at once: braces inside them are text like any other."""
    values = {"question": question, "answer": answer, "target": target, **dict(zip(LABELS, labels, strict=True))}
    return _PLACE.sub(lambda place: values[place[1]], template)
