"""The reference page says what the schema says, and the schema says something of every key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from valuedrift.cli import main
from valuedrift.config.check import load_schema
from valuedrift.config.reference import reference

PAGE = Path(__file__).parents[2] / "docs/configuration.md"
KEYWORDS = {*Draft202012Validator.VALIDATORS, "$schema", "$defs", "title", "description"}
SMALL: dict[str, Any] = {
    "required": ["colour"],
    "properties": {
        "colour": {"description": "Its colour.", "enum": ["red", "blue"]},
        "cats": {
            "description": "Cats.",
            "type": "object",
            "propertyNames": {"pattern": "^[a-z]+$"},
            "additionalProperties": {
                "description": "One cat in <house>.",
                "type": "object",
                "required": ["age"],
                "oneOf": [{"required": ["age"]}, {"required": ["toys"]}],
                "properties": {
                    "age": {"description": "Its age, or | none.", "type": "integer", "minimum": 0, "maximum": 30},
                    "toys": {"description": "Toys.", "type": "array", "items": {"$ref": "#/$defs/toy"}},
                    "meals": {
                        "description": "Meals.",
                        "type": "array",
                        "items": {
                            "description": "One meal.",
                            "type": "object",
                            "required": [],
                            "properties": {"fish": {"description": "Fish.", "type": "boolean"}},
                        },
                    },
                },
            },
        },
    },
    "$defs": {
        "toy": {
            "description": "A toy.",
            "type": "object",
            "required": [],
            "properties": {"name": {"description": "Its name.", "type": "string"}},
        }
    },
}


def parts(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every part of a schema that describes a value, with where it stands."""
    yield path, schema
    for group in ("properties", "$defs"):
        for name, part in schema.get(group, {}).items():
            yield from parts(part, f"{path}.{name}")
    for key in ("additionalProperties", "items"):
        if isinstance(schema.get(key), dict):
            yield from parts(schema[key], f"{path}.{key}")


def test_the_page_is_what_the_schema_gives(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["configuration-reference"]) == 0
    said = capsys.readouterr().out
    assert said == PAGE.read_text(encoding="utf-8"), "run: valuedrift configuration-reference > docs/configuration.md"


@pytest.mark.parametrize(("path", "part"), list(parts(load_schema())), ids=lambda value: str(value)[:60])
def test_every_key_is_described_and_every_keyword_known(path: str, part: dict[str, Any]) -> None:
    """An unquoted comma ends a description, and makes a keyword of the rest that no validator knows."""
    assert part.get("description"), path
    assert part.keys() <= KEYWORDS, path


@pytest.mark.parametrize(
    "line",
    [
        "Its colour. Required.\n\nValue: `red`, `blue`.",
        "Names match `^[a-z]+$`.",
        "| `‹name›` | keys below; exactly one of `age`, `toys` | One cat in ‹house›. |",
        "| **`‹name›.age`** | integer ≥ 0 ≤ 30 | Its age, or \\| none. |",
        "| `‹name›.toys` | list of [toy](#toy) | Toys. |",
        "| `‹name›.meals` | list of blocks, keys below | Meals. |",
        "| `‹name›.meals[].fish` | `true`, `false` | Fish. |",
        "## toy\n\nA toy.\n\n| key | value | meaning |\n| --- | --- | --- |\n| `name` | text | Its name. |",
    ],
)
def test_a_small_schema(line: str) -> None:
    assert line in reference(SMALL)
