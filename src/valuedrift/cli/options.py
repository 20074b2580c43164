"""Types of options of several commands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_origin

from cyclopts import Parameter, Token

_NAMES = {dict: "object", list: "array", str: "text"}


def _read_json(kind: Any, tokens: Sequence[Token]) -> Any:
    value, expected = json.loads(tokens[0].value), get_origin(kind) or kind
    if not isinstance(value, expected):
        raise ValueError(f"found {tokens[0].value}, expected a JSON {_NAMES[expected]}.")
    return value


_JSON = Parameter(
    converter=_read_json, n_tokens=1, accepts_keys=False, json_list=False, consume_multiple=False, metavar="JSON"
)
# Settings are JSON, so that a rule passes them as they are.
Json = Annotated[dict[str, Any], _JSON]
JsonList = Annotated[list[Any], _JSON]
JsonText = Annotated[str, _JSON]

Paths = Sequence[Path]
"""One or more paths after the option's name."""
