"""What models, judges, suites and the like have in common: a name, and a part of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from valuedrift.config.check import Config

SOURCE = ("hub", "folder")


@dataclass(frozen=True)
class Entry:
    """A named part of the configuration, as it is written there."""

    name: str
    entry: Config

    def __getitem__(self, key: str) -> Any:
        return self.entry[key]

    @property
    def source(self) -> Config:
        """Where a model's weights are fetched from; empty where they are trained, or a server has them."""
        return {key: self.entry[key] for key in SOURCE if key in self.entry}

    def without(self, *keys: str) -> Config:
        return {key: value for key, value in self.entry.items() if key not in keys}
