"""The configuration's reference page, made from its models."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from inspect import get_annotations
from itertools import chain
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from valuedrift.config.section import Section, bare, held, is_section, keys, meaning

_HEAD = """# Configuration reference

Made from [src/valuedrift/config](../src/valuedrift/config) by `valuedrift configuration-reference`. Keys in bold are
required, where the section that they belong to is there. `‹name›` is a name of your choice, `[]` an item of a list. A
key that is not here, or a value that doesn't fit, stops a run before its first job. The project's own values are in
[workflow_config.yaml](../workflow_config.yaml).
"""
Shared = Sequence[type[Section]]


class Key(NamedTuple):
    """One row of the reference: the dotted path within its section."""

    path: str
    required: bool
    values: str
    meaning: str

    @property
    def name(self) -> str:
        return f"**`{self.path}`**" if self.required else f"`{self.path}`"


_LIMITS = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}", "pattern": "matching `{}`"}
_WORDS = {str: "text", bool: "`true`, `false`", int: "integer", float: "number"}


def reference(config: type[Section]) -> str:
    """The page as Markdown: a section per top-level key, then one per part that several keys share."""
    shared = _shared(config)
    sections = [_section(name, field, shared) for name, field in keys(config).items()]
    parts = [_part(section, shared) for section in shared]
    return "\n".join([_HEAD, *sections, "# Parts that several keys share\n", *parts])


def _section(name: str, field: FieldInfo, shared: Shared) -> str:
    text = f"## {name}\n\n{_cell(meaning(field))}{' Required.' if field.is_required() else ''}\n"
    rows = list(_below("", field.annotation, shared))
    if not rows:
        return f"{text}\nValue: {_values(_whole(field), shared)}.{_default(field)}\n"
    named = get_args(bare(field.annotation))[:1]
    notes = [
        f"Names match `{limit}`.\n" for name, limit in chain.from_iterable(map(_limits, named)) if name == "pattern"
    ]
    return "\n".join([text, *notes, _table(rows)])


def _part(section: type[Section], shared: Shared) -> str:
    base = next((base for base in section.__mro__[1:] if base in shared), None)
    own = get_annotations(section) if base else keys(section)
    text = f"## {section.__name__}\n\n{_cell(section.__doc__)}\n"
    also = [f"It has the keys of [{base.__name__}](#{base.__name__.lower()}) as well.\n"] if base else []
    rows = [row for row in _rows("", section, shared) if row.path.partition(".")[0] in own]
    return "\n".join([text, *also, _table(rows)])


def _table(rows: Sequence[Key]) -> str:
    lines = [f"| {row.name} | {row.values} | {row.meaning} |" for row in rows]
    return "\n".join(["| key | value | meaning |", "| --- | --- | --- |", *lines, ""])


def _shared(config: type[Section]) -> list[type[Section]]:
    """Sections that several keys hold, those that extend them, and the sections in between."""
    counts = Counter(_parts(config))
    several = {section for section, count in counts.items() if count > 1}
    lines = chain.from_iterable(reversed(section.__mro__) for section in counts)
    return list(dict.fromkeys(part for part in lines if several & set(part.__mro__)))


def _parts(section: type[Section]) -> Iterator[type[Section]]:
    """Every section that a key of this one holds, and that those hold, as often as they do."""
    for field in keys(section).values():
        if is_section(part := held(field.annotation)):
            yield part
            yield from _parts(part)


def _below(path: str, annotation: Any, shared: Shared) -> Iterator[Key]:
    """The keys within a value, deepest last, in the order of declaration."""
    kind, part = get_origin(bare(annotation)), held(annotation)
    if not is_section(part):
        return
    if kind is dict:
        path = f"{path}.‹name›" if path else "‹name›"
        yield Key(path, False, _values(part, shared), _cell(part.__doc__))
    if part not in shared:
        yield from _rows(f"{path}[]" if kind is tuple else path, part, shared)


def _rows(path: str, section: type[Section], shared: Shared) -> Iterator[Key]:
    for name, field in keys(section).items():
        where = f"{path}.{name}" if path else name
        yield Key(where, field.is_required(), _values(_whole(field), shared), _cell(meaning(field)) + _default(field))
        yield from _below(where, field.annotation, shared)


def _whole(field: FieldInfo) -> Any:
    """The field's type with its limits."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _values(annotation: Any, shared: Shared) -> str:
    """What may stand there, in words."""
    kind = bare(annotation)
    if is_section(kind):
        exactly = f"; exactly one of {', '.join(f'`{key}`' for key in kind.one_of)}" if kind.one_of else ""
        return f"[{kind.__name__}](#{kind.__name__.lower()})" if kind in shared else f"keys below{exactly}"
    if get_origin(kind) is Literal:
        return ", ".join(dict.fromkeys(f"`{str(value).lower()}`" for value in get_args(kind)))
    said = _values(held(kind), shared) if get_origin(kind) in (tuple, dict) else ""
    if get_origin(kind) is tuple:
        return f"list of {'blocks, ' if said.startswith('keys below') else ''}{said}"
    if get_origin(kind) is dict:
        return "keys below" if is_section(held(kind)) else f"{said}, by name"
    word = "number" if {int, float} <= set(get_args(annotation)) else _WORDS[kind]
    return " ".join([word, *(_LIMITS[name].format(limit) for name, limit in _limits(annotation))])


def _limits(annotation: Any) -> Iterator[tuple[str, Any]]:
    """The limits of a type by the name that pydantic gives them, whichever way they are attached."""
    if get_origin(annotation) is Annotated:
        kind, *metadata = get_args(annotation)
        yield from _limits(kind)
        for each in chain.from_iterable(getattr(data, "metadata", [data]) for data in metadata):
            yield from ((name, getattr(each, name)) for name in _LIMITS if getattr(each, name, None) is not None)
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
