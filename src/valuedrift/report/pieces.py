"""Write the pieces of data that the report's page loads when they are needed.

A page that is opened from a disk may not fetch files, but it may load scripts from its own folder. So a piece is a
script with one call, `receive(name, data)`, whose data is JSON.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from valuedrift.errors import DataError
from valuedrift.files import write_text

FOLDER = "data"
_NAME = re.compile(r"[\w-]+(/[\w-]+)*", re.ASCII)
# Characters that could end a script, begin a comment or another tag, or break a line of a string.
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def write_piece(out: Path, name: str, data: Any) -> None:
    """Write `<out>/data/<name>.js`. In `data`, untrusted texts may be values only, not keys.

    Raises DataError for a name with characters other than letters, digits, `_`, `-` and `/`, because the name becomes
    a path and a part of a page.
    """
    if not _NAME.fullmatch(name):
        raise DataError("report", None, "a piece's name", name, "letters, digits, '_' and '-', parted by '/'")
    write_text(out / FOLDER / f"{name}.js", f"receive({piece_json(name)},{piece_json(data)});\n")


def piece_json(data: Any) -> str:
    """Return `data` as JSON that is safe inside a script, whatever texts it contains."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escape in _ESCAPES.items():
        text = text.replace(character, escape)
    return text
