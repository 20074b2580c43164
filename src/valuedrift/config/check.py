"""Check a configuration against its schema and against itself, before any job starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from importlib.resources import files
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from valuedrift.errors import ConfigError
from valuedrift.training.settings import SETTINGS

Config = dict[str, Any]


def load_schema() -> dict[str, Any]:
    """The JSON Schema, with a description on every key."""
    text = files("valuedrift.config").joinpath("schema.yaml").read_text(encoding="utf-8")
    schema: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return schema


def check(config: Config) -> Config:
    """Return the configuration unchanged. Raises ConfigError naming the first key that is wrong."""
    error = best_match(Draft202012Validator(load_schema()).iter_errors(config))
    if error is not None:
        raise _config_error(error)
    for key, found, expected in _inconsistencies(config):
        raise ConfigError(key, found, expected)
    return config


def _config_error(error: ValidationError) -> ConfigError:
    path = [str(part) for part in error.absolute_path]
    schema = error.schema if isinstance(error.schema, dict) else {}
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = schema.get("properties", {})
        unknown = next(key for key in error.instance if key not in known)
        return ConfigError(
            ".".join([*path, str(unknown)]), error.instance[unknown], f"one of the keys {', '.join(known)}"
        )
    if error.validator == "required" and isinstance(error.instance, dict):
        missing = next(key for key in schema["required"] if key not in error.instance)
        return ConfigError(".".join([*path, missing]), "nothing", _described(schema, missing))
    expected = f"{error.validator} {error.validator_value}. {schema.get('description', '')}".strip()
    return ConfigError(".".join(path) or "(top)", error.instance, expected.rstrip("."))


def _described(schema: dict[str, Any], key: str) -> str:
    return str(schema.get("properties", {}).get(key, {}).get("description", "a value")).rstrip(".")


def _inconsistencies(config: Config) -> Iterator[tuple[str, object, str]]:
    yield from _unknown("report.models", config["report"]["models"], config["models"], "models")
    yield from _unknown("report.table_1_topics", config["report"]["table_1_topics"], config["topics"], "topics")
    for name, model in config["models"].items():
        yield from _unknown(f"models.{name}.suite", [model["suite"]], config["suites"], "suites")
    for name, suite in config["suites"].items():
        yield from _suite(f"suites.{name}", suite, config)
    for name, judge in config["judges"].items():
        if "train" in judge and "world" not in config["suites"].get(judge["train"]["world"], {}):
            yield f"judges.{name}.train.world", judge["train"]["world"], "a suite that has a world"


def _suite(where: str, suite: Config, config: Config) -> Iterator[tuple[str, object, str]]:
    grid = suite["grid"]
    yield from _unknown(f"{where}.judge", [suite["judge"]], config["judges"], "judges")
    yield from _unknown(f"{where}.grid.sft", grid["sft"], suite["data"], f"{where}.data")
    yield from _unknown(
        f"{where}.checkpoints.sft", grid["sft"], suite["checkpoints"]["sft"], f"{where}.checkpoints.sft"
    )
    for number, block in enumerate(grid["preference"]):
        yield from _unknown(f"{where}.grid.preference.{number}.sft", block["sft"], grid["sft"], f"{where}.grid.sft")
        yield from _unknown(f"{where}.grid.preference.{number}.data", block["data"], suite["data"], f"{where}.data")
    for algorithm, settings in suite["training"].items():
        yield from _settings(
            f"{where}.training.{algorithm}", settings, frozenset(field.name for field in fields(SETTINGS[algorithm]))
        )
    for name, plan in suite.get("world", {}).get("sft", {}).items():
        if abs(sum(plan["mix"].values()) - 1) > 1e-6:
            yield f"{where}.world.sft.{name}.mix", plan["mix"], "shares that sum to 1"


def _settings(where: str, settings: Config, keys: frozenset[str]) -> Iterator[tuple[str, object, str]]:
    for key in sorted(keys - settings.keys()):
        yield f"{where}.{key}", "nothing", "a value; this algorithm needs it"
    for key in settings:
        if key not in keys:
            yield f"{where}.{key}", settings[key], f"only keys that this algorithm reads: {', '.join(sorted(keys))}"
    if settings["batch_size"] % settings["device_batch_size"]:
        yield f"{where}.device_batch_size", settings["device_batch_size"], f"a divisor of {settings['batch_size']}"


def _unknown(key: str, names: list[str], known: Config | list[str], place: str) -> Iterator[tuple[str, object, str]]:
    for name in names:
        if name not in known:
            yield key, name, f"a key of {place}: {', '.join(known)}"
