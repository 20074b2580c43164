"""Sentence encoders for the rules: their names for commands, and the folders of those that are fetched first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from valuedrift.config.check import Config
from valuedrift.config.grid import RESULTS


@dataclass(frozen=True)
class Encoder:
    """A sentence encoder, as the configuration has it: a name, or a section with `name` or `package`."""

    entry: str | Config

    @property
    def package(self) -> Config | None:
        """The package that carries it, if a job has to unpack it."""
        return None if isinstance(self.entry, str) else self.entry.get("package")

    @property
    def key(self) -> str:
        """The folder's name in results/encoders; empty if no job fetches it."""
        return self.package["sha256"][:16] if self.package else ""

    @property
    def name(self) -> str:
        """What commands load: a name, or the folder."""
        if self.package:
            return f"{RESULTS}/encoders/{self.key}/model"
        return self.entry if isinstance(self.entry, str) else str(self.entry["name"])

    @property
    def folder(self) -> list[str]:
        """The folder as a rule's input; empty if no job fetches it."""
        return [self.name] if self.package else []

    @property
    def stamp(self) -> list[str]:
        """The file whose time and content change when the folder is written."""
        return [f"{RESULTS}/encoders/{self.key}/source.json"] if self.package else []


def encoders_of(config: Config) -> dict[str, Config]:
    """Return the packages of the encoders of all suites and judges by key."""
    trained = [(judge.get("train", {}), "encoder") for judge in config["judges"].values()]
    places = [place for suite in config["suites"].values() for place in _places(suite)]
    entries = (part.get(key) for part, key in (*trained, *places))
    found = (Encoder(entry) for entry in entries if entry)
    return {each.key: each.package for each in found if each.package}


def _places(suite: Mapping[str, Config]) -> list[tuple[Config, str]]:
    return [
        (suite["probes"], "embedding"),
        (suite.get("expression", {}), "model"),
        (suite.get("synthetic", {}), "embedding"),
    ]
