"""Types of options of several commands."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, get_origin

from cyclopts import Parameter, Token

_NAMES = {dict: "object", list: "array", str: "text"}


def _read_json(kind: Any, tokens: Sequence[Token]) -> Any:
    value, expected = json.loads(tokens[0].value), get_origin(kind) or kind
    if not isinstance(value, expected):
        raise ValueError(f"found {tokens[0].value}, expected a JSON {_NAMES[expected]}.")
    return value


def _read_named_paths(_: Any, tokens: Sequence[Token]) -> dict[str, Path]:
    return {name: Path(path) for name, path in _read_json(dict, tokens).items()}


def _json(converter: Callable[[Any, Sequence[Token]], Any]) -> Parameter:
    return Parameter(
        converter=converter, n_tokens=1, accepts_keys=False, json_list=False, consume_multiple=False, metavar="JSON"
    )


# Settings are JSON, so that a rule passes them as they are.
Json = Annotated[dict[str, Any], _json(_read_json)]
JsonList = Annotated[list[Any], _json(_read_json)]
JsonText = Annotated[str, _json(_read_json)]
NamedPaths = Annotated[dict[str, Path], _json(_read_named_paths)]
"""Name → path."""

Paths = Sequence[Path]
"""One or more paths after the option's name."""
