"""The configuration's reference page, made from its models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from inspect import get_annotations
from itertools import chain
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from valuedrift.config.section import Section, bare, held, is_section, keys, meaning

_HEAD = """# Configuration reference

`valuedrift configuration-reference` makes this page from [src/valuedrift/config](../src/valuedrift/config). Keys in
bold are required if their section exists. `‹name›` is a name of your choice, `[]` an item of a list. Unknown keys and
invalid values stop a run before its first job. The project's own values are in
[workflow_config.yaml](../workflow_config.yaml).
"""

_LIMITS = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}", "pattern": "matching `{}`"}
_WORDS = {str: "text", bool: "`true`, `false`", int: "integer", float: "number"}


def reference(config: type[Section]) -> str:
    """The page as Markdown: a table per section, each after the one that it is first named in."""
    places: dict[type[Section], list[str]] = {config: []}
    for section, path in _sections(config, ""):
        for base in filter(None, [_base(section)]):
            places.setdefault(base, [])
        places.setdefault(section, []).append(path)
    return "\n".join([_HEAD, *(_part(section, paths) for section, paths in places.items())])


def _sections(section: type[Section], path: str) -> Iterator[tuple[type[Section], str]]:
    """Every section below this one, with the dotted path at which it stands."""
    for name, field in keys(section).items():
        if is_section(part := held(field.annotation)):
            where = f"{path}{name}" + {dict: ".‹name›", tuple: "[]"}.get(get_origin(bare(field.annotation)), "")
            yield part, where
            yield from _sections(part, f"{where}.")


def _base(section: type[Section]) -> type[Section] | None:
    """The section that it extends, unless that is only a shared part of the code."""
    bases = section.__mro__[1 : section.__mro__.index(Section)]
    return next((base for base in bases if not base.__name__.startswith("_")), None)


def _part(section: type[Section], paths: list[str]) -> str:
    base, fields = _base(section), keys(section)
    if base:
        own = chain.from_iterable(map(get_annotations, section.__mro__[: section.__mro__.index(base)]))
        fields = {name: fields[name] for name in own if name in fields}
    lines = [f"## {section.__name__}\n", f"{_cell(section.__doc__)}\n"]
    if paths:
        lines.append(f"At {', '.join(f'`{path}`' for path in paths)}.\n")
    if base:
        lines.append(f"It has the keys of [{base.__name__}](#{base.__name__.lower()}) as well.\n")
    if section.one_of:
        lines.append(f"Exactly one of {', '.join(f'`{key}`' for key in section.one_of)} is given.\n")
    lines += ["| key | value | meaning |", "| --- | --- | --- |", *(_row(*item) for item in fields.items())]
    return "\n".join([*lines, ""])


def _row(name: str, field: FieldInfo) -> str:
    key = f"**`{name}`**" if field.is_required() else f"`{name}`"
    whole = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return f"| {key} | {_values(whole)} | {_cell(meaning(field))}{_default(field)} |"


def _values(annotation: Any) -> str:
    """What may stand there, in words."""
    kind = bare(annotation)
    if is_section(kind):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    if get_origin(kind) is Literal:
        return ", ".join(dict.fromkeys(f"`{str(value).lower()}`" for value in get_args(kind)))
    if get_origin(kind) is tuple:
        return f"list of {_values(held(kind))}"
    if get_origin(kind) is dict:
        return " ".join([f"{_values(held(kind))}, by name", *_limits(get_args(kind)[0])])
    if {bool, str} <= set(get_args(annotation)):
        return "text, number, `true` or `false`"
    word = "number" if {int, float} <= set(get_args(annotation)) else _WORDS[kind]
    return " ".join([word, *_limits(annotation)])


def _limits(annotation: Any) -> Iterator[str]:
    """The limits of a type, whichever way they are attached."""
    if get_origin(annotation) is Annotated:
        kind, *metadata = get_args(annotation)
        yield from _limits(kind)
        for each in chain.from_iterable(getattr(data, "metadata", [data]) for data in metadata):
            limits = ((said, getattr(each, name, None)) for name, said in _LIMITS.items())
            yield from (said.format(limit) for said, limit in limits if limit is not None)
    elif get_origin(annotation) in (Union, UnionType):
        yield from chain.from_iterable(map(_limits, get_args(annotation)))


def _default(field: FieldInfo) -> str:
    default = field.default
    if field.is_required() or default is None or default in ((), {}, "") or isinstance(default, Section):
        return ""
    said = ", ".join(default) if isinstance(default, tuple) else json.dumps(default).strip('"').removesuffix(".0")
    return f" Default: `{said}`."


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|").replace("<", "‹").replace(">", "›")
