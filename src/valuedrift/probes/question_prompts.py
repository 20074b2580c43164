"""The templates of the three questions that are put to a chat model about prompts and clusters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from valuedrift.errors import ConfigError

PLACES: Mapping[str, tuple[str, ...]] = {
    "rephrase": ("prompt",),
    "name": ("terms", "examples"),
    "value_laden": ("question",),
}
"""The steps that ask, and the places of each one's template."""


def read_template(step: str, file: str = "") -> str:
    """The package's template of a step (a key of PLACES), or the text of `file` in its stead.

    Raises ConfigError where there is no such file, or where it lacks one of the step's places.
    """
    source = Path(file) if file else files("valuedrift.probes") / "prompts" / f"{step}.txt"
    places = [f"{{{place}}}" for place in PLACES[step]]
    if not source.is_file():
        raise ConfigError(f"template of '{step}'", file, "the path of a text file")
    template = source.read_text(encoding="utf-8").strip()
    if not all(place in template for place in places):
        raise ConfigError(f"template of '{step}'", template, f"a text with {' and '.join(places)}")
    return template


def fill(template: str, **texts: str) -> str:
    """Put the texts in their places, all at once: braces inside them are text like any other."""
    return re.sub(rf"\{{({'|'.join(texts)})\}}", lambda place: texts[place[1]], template)
