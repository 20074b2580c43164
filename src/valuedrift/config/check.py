"""Check a configuration as YAML has it, before any job starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from valuedrift.config.schema import WorkflowConfig
from valuedrift.errors import ConfigError

Config = dict[str, Any]
"""A configuration as YAML has it: rules hand on what is written there, and no default."""


_EMPTY_GRID: Config = {"sft": [], "preference": []}
_EMPTY_SUITE: Config = {"data": {}, "training": {}, "checkpoints": {}, "calibration": 0}


def read_config(config: Config) -> WorkflowConfig:
    """The configuration with its defaults. Raises ConfigError naming the first key that is wrong."""
    if null := next(_nulls(config, ""), None):
        raise ConfigError(null, None, "a value, or no such key")
    return WorkflowConfig.read(config)


def complete(config: Config) -> Config:
    """A checked configuration in which also suites for tracing have a grid, without any run, and no data."""
    suites = {
        name: {**_with(suite, _EMPTY_SUITE), "grid": _with(suite.get("grid", {}), _EMPTY_GRID)}
        for name, suite in config["suites"].items()
    }
    return {**config, "suites": suites}


def _with(values: Config, otherwise: Config) -> Config:
    return {**values, **{key: value for key, value in otherwise.items() if key not in values}}


def _nulls(values: Any, where: str, within: tuple[int, ...] = ()) -> Iterator[str]:
    """Dotted keys without a value: code that asks whether a key is there would take it for given."""
    if isinstance(values, Mapping | list) and id(values) not in within:  # YAML's anchors can put a list into itself
        for key, value in values.items() if isinstance(values, Mapping) else enumerate(values):
            yield from _nulls(value, f"{where}.{key}" if where else str(key), (*within, id(values)))
    elif values is None and where:
        yield where
