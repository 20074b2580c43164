"""The base class of models, judges, suites and other named entries of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from valuedrift.config.check import Config

SOURCE = ("hub", "package", "folder")


@dataclass(frozen=True)
class Entry:
    """A named entry of the configuration, as it is written there."""

    name: str
    entry: Config

    def __getitem__(self, key: str) -> Any:
        return self.entry[key]

    @property
    def source(self) -> Config:
        """The source from which a model's weights are fetched; empty if they are trained or on a server."""
        return {key: self.entry[key] for key in SOURCE if key in self.entry}

    def without(self, *keys: str) -> Config:
        return {key: value for key, value in self.entry.items() if key not in keys}
