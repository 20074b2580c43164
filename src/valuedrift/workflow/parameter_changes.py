"""Find the differences between a job's parameters and those that its results were made with.

Snakemake records the values without their names, so old and new values are matched by their types and keys.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """One value that changed.

    Attributes:
        name: The parameter and its keys, joined by dots; empty for an old value whose name isn't known.
        old: The old value; None if there was none.
        new: The new value; None if there is none.
    """

    name: str
    old: Any
    new: Any


def changes(recorded: Sequence[str], now: Mapping[str, Any]) -> list[Change]:
    """List the differences between recorded and present parameters.

    Args:
        recorded: The old values as Python's repr writes them, in any order.
        now: The present values by name.
    """
    old = [_value(text) for text in recorded if text not in set(map(repr, now.values()))]
    new = {name: _value(repr(value)) for name, value in now.items() if repr(value) not in set(recorded)}
    found: list[Change] = []
    for name, value in new.items():
        partner = _partner(value, old, list(new.values()))
        if partner is not None:
            old.remove(partner)
        found += _differences(name, partner, value)
    return found + [Change("", value, None) for value in old]


def _value(text: str) -> Any:
    """Return a value from its repr. A string that is JSON is parsed."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _partner(value: Any, old: Sequence[Any], new: Sequence[Any]) -> Any:
    """Return the old value that the new one replaces: the most similar mapping, or the only value of its type."""
    alike = [other for other in old if type(other) is type(value)]
    if isinstance(value, dict):
        return max(alike, key=lambda other: _likeness(other, value), default=None)
    only = len(alike) == sum(type(other) is type(value) for other in new) == 1
    return alike[0] if only else None


def _likeness(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[float, int]:
    """Return the share of common keys and the number of equal values."""
    keys = one.keys() | other.keys()
    return len(one.keys() & other.keys()) / max(1, len(keys)), sum(one.get(key) == other.get(key) for key in keys)


def _differences(name: str, old: Any, new: Any) -> Iterator[Change]:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        yield Change(name, old, new)
        return
    for key in sorted(old.keys() | new.keys()):
        if key not in old or key not in new or old[key] != new[key]:
            yield from _differences(f"{name}.{key}", old.get(key), new.get(key))
