"""The origin of a command's artifacts: program, command, configuration, seeds, inputs, packages, kind of machine.

It is the same for each run on the same machine, because it contains no dates and no durations. It contains no names of
hosts or people: absolute paths and users in addresses are masked.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from valuedrift.digests import path_digest, text_digest
from valuedrift.provenance.artifact_records import digest_of
from valuedrift.provenance.machine import machine, packages, program

MASK = "…"
"""The replacement for the hidden part of an absolute path."""

_USER = re.compile(r"(?<=://)[^/@\s]+@")
# Options with paths of outputs, caches or durations.
_NO_INPUTS = frozenset({"out", "store", "journal", "resume", "benchmarks"})
_LONGEST_NAME = 255


def origin(arguments: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the origin of a command's artifacts.

    Args:
        arguments: Words of the command line, starting with the command.
        options: The options' values, parsed from `arguments`.

    Returns:
        Among other entries, `configuration`: the SHA-256 of the options that aren't paths, as JSON with sorted keys
        (`command` shows them in full); `seeds`: option → seed; `inputs`: path as it was given, masked → SHA-256 of the
        file, or of a folder's list of files.
    """
    settings = {name: masked(value) for name, value in options.items() if not _is_path(value)}
    return {
        "program": program(),
        "command": shlex.join(["valuedrift", *map(masked_argument, arguments)]),
        "configuration": text_digest(json.dumps(settings, sort_keys=True)),
        "seeds": dict(_seeds("", settings)),
        "inputs": {str(masked(given)): path_digest(path, digest_of) for given, path in _inputs(options)},
        "packages": packages(),
        "machine": machine(),
    }


def masked(value: Any) -> Any:
    """Return `value` with only the last part of each absolute path, `…/model`, and without users in addresses."""
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
    """Mask an argument of the command line, which may be JSON or `--option=value`."""
    if argument.startswith("--") and "=" in argument:
        name, _, value = argument.partition("=")
        return f"{name}={masked_argument(value)}"
    if argument[:1] in ("{", "["):
        try:
            return json.dumps(masked(json.loads(argument)), ensure_ascii=False)
        except ValueError:
            pass
    return str(masked(argument))


def _is_path(value: Any) -> bool:
    return isinstance(value, Path) or (isinstance(value, list) and any(isinstance(one, Path) for one in value))


def _seeds(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _seeds(f"{name}.{key}" if name else str(key), one)
    elif name.rpartition(".")[2] in ("seed", "seeds") and value is not None:
        yield name, value


def _inputs(options: Mapping[str, Any]) -> list[tuple[str, Path]]:
    """Return (text as given, path) of each file and folder named in options, directly or within settings, once each."""
    given = (text for name, value in options.items() if name not in _NO_INPUTS for text in _texts(value))
    found = {text: Path(os.path.expandvars(text)) for text in given if _can_be_path(text)}
    return sorted((text, path) for text, path in found.items() if path.is_file() or ("/" in text and path.is_dir()))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str | Path):
        yield str(value)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def _can_be_path(text: str) -> bool:
    return text != "" and "\n" not in text and max(map(len, text.split("/"))) <= _LONGEST_NAME and len(text) < 4096
