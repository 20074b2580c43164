"""What every section of the configuration has in common: strict types, and errors that name key, found and expected."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from inspect import get_annotations
from types import UnionType
from typing import Annotated, Any, ClassVar, Self, TypeGuard, TypeVar, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo

from valuedrift.errors import ConfigError, did_you_mean

T = TypeVar("T")


class Invalid(ValueError):
    """What a validator raises: `key` is dotted, within what is validated; empty for that itself."""

    def __init__(self, key: str, found: object, expected: str, do: str = "") -> None:
        self.key, self.found, self.expected, self.do = key, found, expected, do
        super().__init__(f"{key}: expected {expected}")


def check_names(key: str, names: Collection[str], known: Collection[str], section: str) -> None:
    """Raise the error of the first name that is no key of `section`."""
    for name in names:
        if name not in known:
            raise Invalid(key, name, f"a key of {section}: {', '.join(known)}", did_you_mean(name, known))


def _distinct(items: tuple[T, ...]) -> tuple[T, ...]:
    for number, item in enumerate(items):
        if item in items[:number]:
            raise Invalid(str(number), item, "no item twice")
    return items


Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern="^[a-z0-9_]+$")]
DataName = Annotated[str, Field(pattern="^[a-z0-9-]+$")]
Items = Annotated[tuple[T, ...], Field(strict=False), AfterValidator(_distinct)]  # a strict tuple refuses YAML's lists
Several = Annotated[tuple[T, ...], Field(strict=False, min_length=1), AfterValidator(_distinct)]
OneOrSeveral = Annotated[
    Several[T],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    PlainSerializer(lambda items: items[0] if len(items) == 1 else list(items)),
]


class Section(BaseModel):
    """Settings, checked as they are read: no unknown key, no 4.0 for an integer, no infinity."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    one_of: ClassVar[tuple[str, ...]] = ()
    """Keys of which exactly one is given."""

    @model_validator(mode="after")
    def _has_exactly_one(self) -> Self:
        given = [key for key in self.one_of if key in self.model_fields_set]
        if len(given) > 1 or not (given or self.may_have_none()):
            raise Invalid("", " and ".join(given) or "none of them", f"exactly one of {', '.join(self.one_of)}")
        return self

    def may_have_none(self) -> bool:
        """Whether all keys of `one_of` may be missing."""
        return not self.one_of

    @classmethod
    def read(cls, values: Any, key: str = "") -> Self:
        """The settings in a mapping.

        Args:
            values: as YAML or JSON has them.
            key: the dotted key that the mapping stands at, for messages.

        Raises:
            ConfigError: a key is unknown, missing or wrong.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _config_error(error, cls, key) from None

    def replace(self, **changed: Any) -> Self:
        """The same settings with some changed, checked again."""
        return type(self)(**{**{key: getattr(self, key) for key in self.model_fields_set}, **changed})


def keys(section: type[Section]) -> dict[str, FieldInfo]:
    """What a section declares, by the keys that the configuration has; its own before those that it shares."""
    names = dict.fromkeys(name for part in section.__mro__ for name in get_annotations(part))
    fields = section.model_fields
    return {fields[name].alias or name: fields[name] for name in names if name in fields}


def bare(annotation: Any) -> Any:
    """A type without its limits, and without `None` beside it."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return bare(next(part for part in get_args(annotation) if part is not type(None)))
    return annotation


def held(annotation: Any) -> Any:
    """What a list or a mapping holds; any other type itself."""
    kind = bare(annotation)
    if get_origin(kind) in (dict, tuple):
        return get_args(kind)[0 if get_origin(kind) is tuple else 1]
    return kind


def is_section(kind: Any) -> TypeGuard[type[Section]]:
    return isinstance(kind, type) and issubclass(kind, Section)


def meaning(field: FieldInfo) -> str:
    """The description of a key, or else of the section that it holds."""
    part = held(field.annotation)
    return " ".join((field.description or (is_section(part) and part.__doc__) or "").split())


def declared_at(section: type[Section], path: Sequence[str | int]) -> tuple[type[Section], FieldInfo | None]:
    """The innermost section that a path leads into, and its key on that path, if it has that key."""
    field: FieldInfo | None = None
    place: Any = section
    for step in path:
        if is_section(place := bare(place)):
            section, field = place, keys(place).get(str(step))
            if field is None:
                break
            place = field.annotation
        else:
            place = held(place)
    return section, field


_NUMBER = re.compile(r"[-+]?\d*\.?\d+(e[-+]?\d+)?", re.IGNORECASE)
_EXPECTED = {
    **dict.fromkeys(("int_type", "int_from_float", "int_parsing", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "text",
    "string_unicode": "text of valid Unicode",
    "finite_number": "a finite number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "literal_error": "one of {expected}",
    "too_short": "at least one item",
    "string_too_short": "a text that is not empty",
    "string_pattern_mismatch": "a text that matches {pattern}",
}


def expected_words(error: Mapping[str, Any]) -> str:
    """What pydantic expected, in our words."""
    context = error.get("ctx", {})
    if isinstance(wrong := context.get("error"), Invalid):
        return wrong.expected
    if error["loc"][-1:] == ("int",) and error["type"] in ("int_type", "int_from_float"):
        return "a number"  # the key takes whole numbers and others
    shown = {name: f"{value:.12g}" if isinstance(value, float) else value for name, value in context.items()}
    words: str = _EXPECTED.get(error["type"], error["msg"].removeprefix("Input should be ")).format(**shown)
    return words


def _config_error(error: ValidationError, section: type[Section], key: str) -> ConfigError:
    """The first error in our words; an unknown key is told before what it may have left missing."""
    first = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    kind, found, context = first["type"], first["input"], first.get("ctx", {})
    # pydantic adds the part of a union, or `[key]`, to the path of the key.
    added = ("[key]", "int", "float") if kind != "extra_forbidden" else ()
    path = first["loc"][:-1] if first["loc"] and first["loc"][-1] in added else first["loc"]
    inner, field = declared_at(section, path)
    if path and str(path[-1]).endswith(("key", "key_variable", "token")):
        found = "(not shown)"  # perhaps a secret
    where = ".".join(filter(None, [key, *map(str, path)]))
    if isinstance(wrong := context.get("error"), Invalid):
        return ConfigError(".".join(filter(None, [where, wrong.key])), wrong.found, wrong.expected, wrong.do)
    if kind == "extra_forbidden":
        known = list(keys(inner))
        return ConfigError(where, found, f"one of the keys {', '.join(known)}", did_you_mean(str(path[-1]), known))
    said = meaning(field).rstrip(".") if field else ""
    if kind == "missing":
        return ConfigError(where, None, f"a value: {said}")
    known = list(map(str, get_args(held(field.annotation)))) if kind == "literal_error" and field else []
    do = did_you_mean(str(found), known)
    if kind in ("int_type", "float_type") and isinstance(found, str) and _NUMBER.fullmatch(found):
        do = "Write it without quotes."
        if kind == "float_type":
            do = "Write it without quotes, and with a point: YAML reads 1e-5 as text, and 1.0e-5 as a number."
    return ConfigError(where or "(top)", found, ". ".join(filter(None, [expected_words(first), said])), do)
