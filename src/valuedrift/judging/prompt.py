"""Judge prompts: template files with the places {question}, {answer} and {target}."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from pathlib import Path

from valuedrift.errors import ConfigError

_PLACE = re.compile(r"\{(question|answer|target)\}")


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


def prompt_hash(template: str) -> str:
    """The template's version: the first 16 hex characters of its SHA-256."""
    return hashlib.sha256(template.encode()).hexdigest()[:16]


def fill_prompt(template: str, question: str, answer: str, target: str) -> str:
    """Put the three texts in their places, all at once: braces inside them are text like any other."""
    values = {"question": question, "answer": answer, "target": target}
    return _PLACE.sub(lambda place: values[place[1]], template)
