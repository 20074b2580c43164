"""The origin of what a command makes: program, command, configuration, seeds, inputs, packages, kind of machine.

Nothing in it changes from one run to the next on the same machine: no dates, no durations, no names of hosts or people.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from valuedrift.digests import files_in, listing_digest, text_digest
from valuedrift.provenance.artifact_records import digest_of
from valuedrift.provenance.machine import machine, packages, program
from valuedrift.provenance.masks import masked, masked_argument

# Places that a command writes to, or keeps what it has done in; benchmarks are durations.
_NO_INPUTS = frozenset({"out", "store", "journal", "resume", "benchmarks"})
_LONGEST_NAME = 255


def origin(arguments: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any]:
    """What a command's artifacts come from.

    arguments: of the command line, the command first · options: what they were read as

    configuration: SHA-256 of the settings among the options (as JSON with sorted keys), which `command` shows in full ·
    seeds: option → seed · inputs: path, as it was given → SHA-256 of the file, or of a folder's list of files
    """
    settings = {name: masked(value) for name, value in options.items() if not _is_place(value)}
    return {
        "program": program(),
        "command": shlex.join(["valuedrift", *map(masked_argument, arguments)]),
        "configuration": text_digest(json.dumps(settings, sort_keys=True)),
        "seeds": dict(_seeds("", settings)),
        "inputs": {str(masked(given)): _digest(path) for given, path in _inputs(options)},
        "packages": packages(),
        "machine": machine(),
    }


def _is_place(value: Any) -> bool:
    return isinstance(value, Path) or (isinstance(value, list) and any(isinstance(one, Path) for one in value))


def _seeds(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _seeds(f"{name}.{key}" if name else str(key), one)
    elif name.rpartition(".")[2] in ("seed", "seeds") and value is not None:
        yield name, value


def _inputs(options: Mapping[str, Any]) -> list[tuple[str, Path]]:
    """(as it was given, path) of every file and folder that options name, those inside settings too, once each."""
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


def _digest(path: Path) -> str:
    return listing_digest({one.name: digest_of(one) for one in files_in(path)}) if path.is_dir() else digest_of(path)
