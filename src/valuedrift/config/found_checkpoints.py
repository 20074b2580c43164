"""Checkpoints that exist already: which steps a stage has, and where."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from valuedrift.config.stages import STEP, Stage
from valuedrift.digests import text_digest
from valuedrift.errors import ConfigError, require_no_braces
from valuedrift.files import read_json
from valuedrift.other_formats import ADAPTER, refuse_other_formats

_WEIGHTS = ".safetensors"
_READ = (_WEIGHTS, ".json", ".jinja", ".model", ".txt")
_SHAPE = ("model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
_SHOWN = 5


@dataclass(frozen=True)
class Found:
    """A checkpoint that was found.

    Attributes:
        step: Its step.
        source: {"folder": path} or {"hub": {"name", "revision", "subfolder"}}.
        identity: What changes when its files are replaced: a digest of their names, sizes and times; empty for the hub.
        shape: The settings of its configuration that decide on the shapes of its weights; empty for the hub.
        is_adapter: Whether it is an adapter of the model that the stage follows.
    """

    step: int
    source: dict[str, Any]
    identity: str = ""
    shape: Mapping[str, Any] = field(default_factory=dict)
    is_adapter: bool = False


@cache  # so that all parts of a process see the same checkpoints, also while a training writes more of them
def found_checkpoints(stage: Stage, key: str) -> tuple[Found, ...]:
    """Return a stage's checkpoints by step.

    Args:
        stage: The stage.
        key: Its dotted key in the configuration.

    Raises:
        ConfigError: There is no folder for a step, a step is no number, or a folder has no model or one of another
            shape.
        ArtifactError: The weights are in a form that isn't read.
    """
    if stage.hub:
        return tuple(Found(step, {"hub": stage.hub.source(step)}) for step in sorted(stage.steps or (1,)))
    root = Path(os.path.expandvars(str(stage.folder))).expanduser()
    there = _steps_below(root, stage, key) if stage.pattern else dict.fromkeys(stage.steps or (1,), root)
    if missing := [step for step in stage.steps if step not in there]:
        raise ConfigError(f"{key}.steps", missing[0], f"a step that is in {root}: {_several(sorted(there))}")
    found = [_checkpoint(step, there[step], key) for step in sorted(stage.steps or there)]
    for one in found:
        for name, value in one.shape.items():
            if value != found[0].shape.get(name):
                wanted = f"{name} {found[0].shape.get(name)}, as in {found[0].source['folder']}"
                do = "Checkpoints of a stage have one architecture: make two stages of these."
                raise ConfigError(key, f"{name} {value} in {one.source['folder']}", wanted, do)
    return tuple(found)


def _steps_below(root: Path, stage: Stage, key: str) -> dict[int, Path]:
    """Return step → folder. A name whose step is no number is wrong if a model is there, unless steps are listed."""
    if not root.is_dir():
        raise ConfigError(f"{key}.folder", str(root), "a folder that exists")
    there: dict[int, Path] = {}
    for folder, text in _matches(root, str(stage.pattern).split("/"), ""):
        if not text.isdecimal():
            if not stage.steps and any(folder.glob(f"*{_WEIGHTS}")):
                do = "Move the folder, or list the steps to trace in `steps`."
                raise ConfigError(f"{key}.pattern", f"'{text}' for {STEP} in {folder}", "a number", do)
        elif (other := there.setdefault(int(text), folder)) != folder:
            raise ConfigError(f"{key}.pattern", f"step {text} in {other} and {folder}", "each step once")
    if not there:
        names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        like = next((re.sub(r"\d+(?=\D*$)", STEP, name) for name in names if re.search(r"\d", name)), "")
        do = f"Did you mean '{like}'?" if like else ""
        raise ConfigError(f"{key}.pattern", stage.pattern, f"a pattern of folders in {root}: {_several(names)}", do)
    return there


def _matches(folder: Path, parts: list[str], step: str) -> Iterator[tuple[Path, str]]:
    """Return the folders that match a pattern's parts, each with the text in the place of the step."""
    if not parts:
        yield folder, step
        return
    part, *rest = parts
    if "{" not in part and "*" not in part:
        if (folder / part).is_dir():
            yield from _matches(folder / part, rest, step)
        return
    literal = re.escape(part).replace(r"\*", ".*")
    name = re.compile(re.sub(r"\\\{step(:[^}]*)?\\\}", "(?P<step>.+)", literal))
    for entry in list(os.scandir(folder)):
        if entry.is_dir() and (match := name.fullmatch(entry.name)):
            yield from _matches(Path(entry.path), rest, match.groupdict().get("step", step))


def _checkpoint(step: int, folder: Path, key: str) -> Found:
    """Return the checkpoint in a folder, by a look at its files' sizes and times and at its configuration."""
    require_no_braces(str(folder))
    try:
        files = {entry.name: entry.stat() for entry in os.scandir(folder) if entry.name.endswith(_READ)}
        config = read_json(folder / "config.json") if "config.json" in files else {}
    except (OSError, ValueError) as error:
        raise ConfigError(key, f"{folder}: {error}", "a folder with a model") from error
    if not (any(name.endswith(_WEIGHTS) for name in files) and {"config.json", ADAPTER} & files.keys()):
        refuse_other_formats(folder)
        names = _several(sorted(path.name for path in folder.iterdir()))
        raise ConfigError(key, f"{folder} with {names}", "a model: config.json and *.safetensors")
    state = sorted((name, file.st_size, file.st_mtime_ns) for name, file in files.items())
    shape = {name: config.get(name) for name in _SHAPE if config}
    return Found(step, {"folder": str(folder)}, text_digest(json.dumps(state))[:16], shape, ADAPTER in files)


def _several(names: Sequence[object]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(map(str, names[:_SHOWN])) or "nothing") + more
