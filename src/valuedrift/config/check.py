"""Check a configuration against its schema and against itself, before any job starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from importlib.resources import files
from math import isfinite
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError, best_match

from valuedrift.errors import ConfigError
from valuedrift.training.hyperparameters import REWARDED, SETTINGS, needed

Config = dict[str, Any]


def _is_number(checker: object, value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_integer(checker: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# JSON Schema takes 4.0 for an integer and infinity for a number; steps can't be counted in either.
_TYPES = Draft202012Validator.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_integer})
_extend: Callable[..., type[Draft202012Validator]] = validators.extend
_VALIDATOR = _extend(Draft202012Validator, type_checker=_TYPES)


def load_schema() -> dict[str, Any]:
    """The JSON Schema, with a description on every key."""
    text = files("valuedrift.config").joinpath("schema.yaml").read_text(encoding="utf-8")
    schema: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return schema


def check(config: Config) -> Config:
    """Return the configuration unchanged. Raises ConfigError naming the first key that is wrong."""
    error = best_match(_VALIDATOR(load_schema()).iter_errors(config))
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
    for key in ("table_1_topics", "ablation_topics"):
        yield from _unknown(f"report.{key}", config["report"][key], config["topics"], "topics")
    for name, model in config["models"].items():
        yield from _unknown(f"models.{name}.suite", [model["suite"]], config["suites"], "suites")
        if "scratch" in model:
            yield from _shape(f"models.{name}.scratch", model["scratch"])
            if "pretrain" not in config["suites"][model["suite"]]["training"]:
                yield f"suites.{model['suite']}.training.pretrain", "nothing", f"settings; model {name} needs them"
    for name, suite in config["suites"].items():
        yield from _suite(f"suites.{name}", suite, config)
    machine = config.get("machine", {})
    if ("nth" in machine) != (machine.get("keep") == "every_nth"):
        yield "machine.nth", machine.get("nth", "nothing"), "it with `keep: every_nth`, and without any other"
    for name, llm in config.get("llms", {}).items():
        if ("model" in llm) != (llm["backend"] in ("http", "batch")):
            expected = "model with the backends http and batch, hub or folder with the others"
            yield f"llms.{name}", llm["backend"], expected
    for name, judge in config["judges"].items():
        if "llm" in judge:
            yield from _unknown(f"judges.{name}.llm", [judge["llm"]], config.get("llms", {}), "llms")
        if "train" in judge:
            yield from _judge_training(f"judges.{name}.train", judge["train"], config["suites"])


def _judge_training(where: str, training: Config, suites: Config) -> Iterator[tuple[str, object, str]]:
    if "world" not in suites.get(training["world"], {}):
        yield f"{where}.world", training["world"], "a suite that has a world"
    yield from _shape(f"{where}.shape", training["shape"])
    yield from _settings(f"{where}.settings", training["settings"], "pretrain")


def _shape(where: str, shape: Config) -> Iterator[tuple[str, object, str]]:
    # Heads share keys in pairs and turn their dimensions in pairs.
    if shape["hidden"] % (2 * shape["heads"]) or (shape["heads"] % 2 and shape["heads"] != 1):
        yield f"{where}.heads", shape["heads"], f"1 or an even divisor of half of hidden ({shape['hidden']})"


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
        for algorithm in block["algorithms"]:
            yield from _algorithm(where, suite, algorithm)
    aligned = {key: [grid[key]] for key in ("support_aligned", "oppose_aligned") if key in grid}
    for key, names in {"small_gap": grid.get("small_gap", []), **aligned}.items():
        yield from _unknown(f"{where}.grid.{key}", names, suite["data"], f"{where}.data")
    if "synthetic" in suite:
        yield from _unknown(f"{where}.synthetic.from", suite["synthetic"]["from"], suite["data"], f"{where}.data")
        yield from _unknown(f"{where}.synthetic.writer", [suite["synthetic"]["writer"]], config.get("llms", {}), "llms")
    yield from _probes(f"{where}.probes", suite["probes"], config)
    for algorithm, settings in suite["training"].items():
        yield from _settings(f"{where}.training.{algorithm}", settings, algorithm)
    for number, block in enumerate(grid.get("ablations", [])):
        yield from _ablation(f"{where}.grid.ablations.{number}", block, where, suite, config["models"])
    if "world" in suite:
        yield from _world(f"{where}.world", suite["world"])


_PROBE_KEYS = {
    "questions": set[str](),
    "prism": {"per_topic"},
    "vprism": {"per_topic", "embedding", "choice", "reduction", "clusters"},
}


def _probes(where: str, probes: Config, config: Config) -> Iterator[tuple[str, object, str]]:
    source = probes["source"]
    optional = {"llm"} if source == "vprism" else set()
    for key in sorted({"per_topic", "llm", *_PROBE_KEYS["vprism"]}):
        if (key in _PROBE_KEYS[source]) > (key in probes):
            yield f"{where}.{key}", "nothing", f"it with source {source}"
        if key in probes and key not in _PROBE_KEYS[source] | optional:
            yield f"{where}.{key}", probes[key], f"nothing with source {source}"
    if "llm" in probes:
        yield from _unknown(f"{where}.llm", [probes["llm"]], config.get("llms", {}), "llms")


def _algorithm(where: str, suite: Config, algorithm: str) -> Iterator[tuple[str, object, str]]:
    for section in ("training", "checkpoints"):
        if algorithm not in suite[section]:
            yield f"{where}.{section}.{algorithm}", "nothing", "an entry; the grid names this algorithm"
    if algorithm in REWARDED and "reward" not in suite["training"]:
        yield f"{where}.training.reward", "nothing", f"settings of the reward model that {algorithm} needs"


def _ablation(
    where: str, block: Config, suite_key: str, suite: Config, models: Config
) -> Iterator[tuple[str, object, str]]:
    algorithm, parameter = block["algorithm"], block["parameter"]
    yield from _unknown(f"{where}.models", block.get("models", []), models, "models")
    yield from _unknown(f"{where}.sft", block["sft"], suite["grid"]["sft"], f"{suite_key}.grid.sft")
    yield from _unknown(f"{where}.data", block["data"], suite["data"], f"{suite_key}.data")
    yield from _algorithm(suite_key, suite, algorithm)
    settings, common = suite["training"].get(algorithm, {}), block.get("settings", {})
    for key, name in [("parameter", parameter), *((f"settings.{name}", name) for name in common)]:
        if name not in settings:
            yield f"{where}.{key}", name, f"a parameter that {algorithm} has: {', '.join(sorted(settings))}"
            return
    if parameter in common:
        yield f"{where}.settings.{parameter}", common[parameter], "nothing: it is the parameter that varies"
    for value in block["values"]:
        yield from _settings(f"{where}.values", {**settings, **common, parameter: value}, algorithm)


def _world(where: str, world: Config) -> Iterator[tuple[str, object, str]]:
    mixes = {"pretraining": world["pretraining"]["mix"]}
    mixes |= {f"sft.{name}": plan["mix"] for name, plan in world["sft"].items()}
    for key, mix in mixes.items():
        if abs(sum(mix.values()) - 1) > 1e-6:
            yield f"{where}.{key}.mix", mix, "shares that sum to 1"
        room = min(max(mix.values()), 1 - max(mix.values()))
        if world["variation"] > room + 1e-6:
            yield f"{where}.variation", world["variation"], f"at most {room:.3g}, the room that {key}'s mix leaves"


def _settings(where: str, settings: Config, algorithm: str) -> Iterator[tuple[str, object, str]]:
    keys = {field.name for field in fields(SETTINGS[algorithm])}
    for key in sorted(needed(SETTINGS[algorithm]) - settings.keys()):
        yield f"{where}.{key}", "nothing", "a value; this algorithm needs it"
    for key in settings:
        if key not in keys:
            yield f"{where}.{key}", settings[key], f"only keys that this algorithm reads: {', '.join(sorted(keys))}"
    if settings["batch_size"] % settings["device_batch_size"]:
        yield f"{where}.device_batch_size", settings["device_batch_size"], f"a divisor of {settings['batch_size']}"
    if settings["batch_size"] % settings.get("answers", 1):
        yield f"{where}.batch_size", settings["batch_size"], f"a multiple of answers ({settings['answers']})"
    if algorithm == "kto" and settings["device_batch_size"] < 2:
        yield f"{where}.device_batch_size", settings["device_batch_size"], "2 or more: KTO compares rows of a batch"
    if algorithm == "ppo" and settings.get("lora", {}).get("dropout"):
        yield f"{where}.lora.dropout", settings["lora"]["dropout"], "0 with ppo"
    if settings.get("response_length", 0) >= settings["max_length"]:
        yield f"{where}.response_length", settings["response_length"], f"less than {settings['max_length']}"


def _unknown(key: str, names: list[str], known: Config | list[str], place: str) -> Iterator[tuple[str, object, str]]:
    for name in names:
        if name not in known:
            yield key, name, f"a key of {place}: {', '.join(known)}"
