"""The configuration's reference page, made from its schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

Schema = dict[str, Any]

_HEAD = """# Configuration reference

Made from [schema.yaml](../src/valuedrift/config/schema.yaml) by `valuedrift configuration-reference`. Keys in bold
must be there, where what they are part of is. `‹name›` is a name of your choice, `[]` an item of a list. A key that is
not here, or a value that doesn't fit, stops a run before its first job. The project's own values stand in
[workflow_config.yaml](../workflow_config.yaml).
"""
_LIMITS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}


class Key(NamedTuple):
    """One row of the reference: the dotted path within its section."""

    path: str
    required: bool
    values: str
    description: str


def reference(schema: Schema) -> str:
    """The page as Markdown: a section for each top-level key, then one for each part that several keys share."""
    required = schema["required"]
    sections = [_section(name, part, name in required) for name, part in schema["properties"].items()]
    shared = [_section(name, part, False) for name, part in schema["$defs"].items()]
    return "\n".join([_HEAD, *sections, "# Parts that several keys share\n", *shared])


def _section(name: str, schema: Schema, required: bool) -> str:
    text = f"## {name}\n\n{_cell(schema['description'])}{' Required.' if required else ''}\n"
    rows = list(_below("", schema))
    if not rows:
        return f"{text}\nValue: {_values(schema)}.\n"
    lines = [f"| {_name(row)} | {row.values} | {row.description} |" for row in rows]
    notes = [f"{note[0].upper()}{note[1:]}.\n" for note in _notes(schema)]
    return "\n".join([text, *notes, "| key | value | meaning |", "| --- | --- | --- |", *lines, ""])


def _name(row: Key) -> str:
    return f"**`{row.path}`**" if row.required else f"`{row.path}`"


def _notes(schema: Schema) -> list[str]:
    """What holds for an object's keys together."""
    choices = ", ".join(f"`{option['required'][0]}`" for option in schema.get("oneOf", []))
    pattern = str(schema.get("propertyNames", {}).get("pattern", ""))
    said = ((choices, f"exactly one of {choices}"), (pattern, f"names match `{pattern}`"))
    return [text for there, text in said if there]


def _below(path: str, schema: Schema) -> Iterator[Key]:
    """The keys within a part, deepest last, in the schema's order."""
    for name, part in schema.get("properties", {}).items():
        yield from _rows(f"{path}.{name}" if path else name, part, name in schema.get("required", []))
    named = schema.get("additionalProperties")
    if isinstance(named, dict):
        yield from _rows(f"{path}.‹name›" if path else "‹name›", named, False)
    items = schema.get("items", {})
    if "properties" in items:
        yield from _below(f"{path}[]", items)


def _rows(path: str, schema: Schema, required: bool) -> Iterator[Key]:
    yield Key(path, required, _values(schema), _cell(schema.get("description", "")))
    yield from _below(path, schema)


def _values(schema: Schema) -> str:
    """What may stand there, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name})"
    if "enum" in schema:
        return ", ".join(dict.fromkeys(f"`{str(value).lower()}`" for value in schema["enum"]))
    if schema["type"] == "array":
        return _list(schema["items"])
    if schema["type"] == "object":
        return "; ".join(["keys below", *_notes(schema)])
    limits = [text.format(schema[key]) for key, text in _LIMITS.items() if key in schema]
    words = {"string": "text", "boolean": "`true`, `false`", "integer": "integer", "number": "number"}
    return " ".join([words[schema["type"]], *limits])


def _list(item: Schema) -> str:
    if item.get("type") == "object":
        return "list of blocks, keys below"
    said = "" if "enum" in item else _cell(item.get("description", "")).rstrip(".")
    return f"list of {_values(item)}" + (f" ({said[0].lower()}{said[1:]})" if said else "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "‹").replace(">", "›")
