"""Settings and commands without what tells of a person's machine: absolute paths, users in addresses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

MASK = "…"
_USER = re.compile(r"(?<=://)[^/@\s]+@")


def masked(value: Any) -> Any:
    """The same value; of every absolute path in it only the last part stays: `…/model`."""
    if isinstance(value, dict):
        return {masked(key): masked(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [masked(one) for one in value]
    if isinstance(value, Path):
        return masked(str(value))
    if not isinstance(value, str):
        return value
    if value.startswith("/"):
        return f"{MASK}/{Path(value).name}"
    return _USER.sub("", value)


def masked_argument(argument: str) -> str:
    """An argument of the command line, which may be JSON or `--option=value`."""
    if argument.startswith("--") and "=" in argument:
        name, _, value = argument.partition("=")
        return f"{name}={masked_argument(value)}"
    if argument[:1] in ("{", "["):
        try:
            return json.dumps(masked(json.loads(argument)), ensure_ascii=False)
        except ValueError:
            pass
    return str(masked(argument))
