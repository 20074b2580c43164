"""What the configuration says about one data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from valuedrift.data.formats import FORMATS
from valuedrift.errors import ConfigError

Choice = Literal["drop", "keep"]


@dataclass(frozen=True)
class HubSource:
    """A split of a data set on the Hugging Face hub, at a fixed revision."""

    name: str
    revision: str
    split: str


@dataclass(frozen=True)
class DataSettings:
    """One data set: where its rows are, how they are read, and how many remain for training.

    `rows` is the number of training rows after skipping, sampling and splitting, which step counts are computed from.
    Either `files` (paths, which may begin with $VALUEDRIFT_DATA) or `hub` is given. `duplicates` are rows whose texts
    occurred before; `empty_answers` are conversations whose last answer is blank, and pairs with one blank answer.
    """

    name: str
    title: str
    licence: str
    format: str
    rows: int
    files: tuple[str, ...] = ()
    hub: HubSource | None = None
    sample: int | None = None
    validation: float = 0.0
    duplicates: Choice = "drop"
    empty_answers: Choice = "drop"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DataSettings:
        """Raises ConfigError for a key that is missing, unknown or out of range."""
        name = _text(values, "data", "name")
        where = f"data.{name}"
        _refuse_unknown(values, where, cls)
        format = _text(values, where, "format")
        if format not in FORMATS:
            raise ConfigError(f"{where}.format", format, f"one of {', '.join(FORMATS)}")
        if ("files" in values) == ("hub" in values):
            raise ConfigError(where, ", ".join(values), "either 'files' or 'hub'")
        return cls(
            name=name,
            title=_text(values, where, "title"),
            licence=_text(values, where, "licence"),
            format=format,
            rows=_count(values, where, "rows"),
            files=_files(values, where) if "files" in values else (),
            hub=_hub(values["hub"], f"{where}.hub") if "hub" in values else None,
            sample=None if values.get("sample") is None else _count(values, where, "sample"),
            validation=_share(values, where, "validation"),
            duplicates=_choice(values, where, "duplicates"),
            empty_answers=_choice(values, where, "empty_answers"),
        )

    @property
    def source(self) -> str:
        """The source in one line, for messages and cards."""
        if self.hub:
            return f"{self.hub.name} at revision {self.hub.revision}, split {self.hub.split}"
        return ", ".join(self.files)


def _refuse_unknown(values: Mapping[str, Any], where: str, cls: type[DataSettings] | type[HubSource]) -> None:
    known = [field.name for field in fields(cls)]
    for key in values:
        if key not in known:
            raise ConfigError(f"{where}.{key}", values[key], f"only the keys {', '.join(known)}")


def _hub(values: object, where: str) -> HubSource:
    if not isinstance(values, Mapping):
        raise ConfigError(where, values, "an object with name, revision and split")
    _refuse_unknown(values, where, HubSource)
    return HubSource(*(_text(values, where, key) for key in ("name", "revision", "split")))


def _files(values: Mapping[str, Any], where: str) -> tuple[str, ...]:
    files = values["files"]
    if not isinstance(files, list) or not files or not all(isinstance(file, str) and file for file in files):
        raise ConfigError(f"{where}.files", files, "a list of at least one path")
    return tuple(files)


def _text(values: Mapping[str, Any], where: str, key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{where}.{key}", value, "a text that is not empty")
    return value


def _count(values: Mapping[str, Any], where: str, key: str) -> int:
    value = values.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{where}.{key}", value, "a whole number from 1")
    return value


def _share(values: Mapping[str, Any], where: str, key: str) -> float:
    value = values.get(key, 0.0)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise ConfigError(f"{where}.{key}", value, "a share from 0 to below 1")
    return float(value)


def _choice(values: Mapping[str, Any], where: str, key: str) -> Choice:
    value = values.get(key, "drop")
    if value == "drop":
        return "drop"
    if value == "keep":
        return "keep"
    raise ConfigError(f"{where}.{key}", value, "'drop' or 'keep'")
