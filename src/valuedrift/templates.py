"""Prompt templates: text files with placeholders such as {answer}, from a package or from the user."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from valuedrift.digests import text_digest
from valuedrift.errors import ConfigError


def read_template(key: str, name: str, package: str, places: Sequence[str]) -> str:
    """Read the template `name` from a package's folder `prompts`, or else the file at the path `name`.

    White space at its end is dropped, so that the model's text follows directly.

    Args:
        key: The setting that names the template, for error messages.
        name: The name of a packaged template, without `.txt`, or a path.
        package: The package with the templates, such as `valuedrift.judging`.
        places: The placeholders that the template must have, without braces.

    Raises:
        ConfigError: There is no such template, or it lacks one of the placeholders.
    """
    folder = files(package) / "prompts"
    packaged = folder / f"{name}.txt"
    source = packaged if packaged.is_file() else Path(name)
    if not source.is_file():
        known = ", ".join(sorted(file.name.removesuffix(".txt") for file in folder.iterdir()))
        raise ConfigError(key, name, f"one of the package's templates ({known}) or the path of a text file")
    try:
        template = source.read_text(encoding="utf-8-sig").rstrip()
    except UnicodeDecodeError:
        raise ConfigError(key, name, "a text file in UTF-8") from None
    if not all(f"{{{place}}}" in template for place in places):
        raise ConfigError(key, template, f"a template with {' and '.join(f'{{{place}}}' for place in places)}")
    return template


def fill_template(template: str, **texts: str) -> str:
    """Replace all placeholders by their texts in one pass, so that braces inside the texts aren't replaced."""
    return re.sub(rf"\{{({'|'.join(texts)})\}}", lambda place: texts[place[1]], template)


def prompt_hash(template: str) -> str:
    """Return the template's version: the first 16 hex characters of its SHA-256 digest."""
    return text_digest(template)[:16]
