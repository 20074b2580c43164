"""Read configuration files: YAML or JSON with keys at the top level, none of them twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from valuedrift.errors import ArtifactError, ValueDriftError

_EXPECTED = "YAML or JSON with keys at the top level"


def read_yaml(file: Path) -> dict[str, Any]:
    """Return the content of a configuration file.

    Raises:
        ValueDriftError: The file can't be read or isn't a configuration, or a key is in a mapping twice: YAML would
            silently use the last one.
    """
    if file.exists() and not (file.is_file() or file.is_dir()):
        do = "Write its content to a file: a configuration is read several times."
        raise ArtifactError(file, "a pipe or a device", "a configuration file", do)
    try:
        text = file.read_text(encoding="utf-8-sig")
        return _mapping(file, _parsed(file, text))
    except FileNotFoundError:
        raise ArtifactError(file, "no such file", "a configuration file", "Correct the path.") from None
    except OSError as error:
        raise ArtifactError(file, error.strerror, "a configuration file", "Correct the path.") from None
    except UnicodeDecodeError:
        raise ArtifactError(file, "bytes that are not UTF-8", _EXPECTED) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ValueDriftError(f"{file}, line {line}: {error.problem}. Expected YAML or JSON.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtifactError(file, said, _EXPECTED) from None


def _parsed(file: Path, text: str) -> Any:
    """Return the value of a text, as JSON if it is JSON, like Snakemake."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for number, (key, _) in enumerate(pairs):
            if key in dict(pairs[:number]):
                raise _twice(f"{file}", key, "")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    for key, first in _repeated(node, set()):
        raise _twice(f"{file}, line {key.start_mark.line + 1}", key.value, f" (first in line {first + 1})")
    return yaml.load(text, Loader=yaml.CSafeLoader)


def _twice(place: str, key: str, first: str) -> ValueDriftError:
    return ValueDriftError(f"{place}: the key '{key}' is in the same mapping twice{first}. Remove one of the two.")


def _repeated(node: Any, seen: set[int]) -> Iterator[tuple[yaml.ScalarNode, int]]:
    """Yield each key that its mapping has already, with the line of the earlier one, from 0."""
    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return
    seen.add(id(node))
    lines: dict[tuple[str, str], int] = {}
    for item in node.value:
        key, value = item if isinstance(node, yaml.MappingNode) else (None, item)
        if isinstance(key, yaml.ScalarNode):
            if (key.tag, key.value) in lines:
                yield key, lines[key.tag, key.value]
            lines[key.tag, key.value] = key.start_mark.line
        yield from _repeated(value, seen)


def _mapping(file: Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ArtifactError(file, "an empty file" if value is None else value, _EXPECTED)
    return value
