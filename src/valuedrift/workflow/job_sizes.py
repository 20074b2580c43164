"""Sizes of models and lengths of texts: of existing files where possible, else as rates.yaml assumes."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from math import prod
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.config.check import Config
from valuedrift.config.grid import RESULTS, Run
from valuedrift.config.yaml_files import read_yaml
from valuedrift.data_formats.formats import FORMATS
from valuedrift.errors import ConfigError
from valuedrift.files import read_json
from valuedrift.models.model_folder import tensor_shapes
from valuedrift.packaged import packaged_yaml
from valuedrift.workflow.project import Project
from valuedrift.workflow.project_judges import Judge
from valuedrift.workflow.project_models import Model
from valuedrift.workflow.project_suites import Suite

Rates = Mapping[str, Any]
MEASURED = Path(RESULTS, "rates.yaml")
"""Speeds of this machine, as benchmarks/machine.py measures them; they replace those of the package."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of the project's models and texts, which are or will be in `folder`/results."""

    project: Project
    folder: Path = Path()

    @cached_property
    def rates(self) -> Rates:
        """The package's rates, with the speeds that were measured on this machine, if there are any."""
        return with_measured(packaged_yaml("valuedrift.workflow", "rates.yaml"), self.folder / MEASURED)

    def parameters(self, entry: Config) -> float:
        """Return the parameters of an entry of `models`, `judges` or `llms`, by its shape, weights or name."""
        trained = entry.get("train", {})
        if shape := entry.get("scratch") or trained.get("shape"):
            return float(shape["vocabulary"] * shape["hidden"] + 12 * shape["layers"] * shape["hidden"] ** 2)
        if encoder := trained.get("encoder"):
            return self.named(encoder if isinstance(encoder, str) else str(encoder))
        if model := trained.get("model"):
            return self.parameters(self.project.models[model].entry)
        if "folder" in entry:
            return _saved(Path(entry["folder"])) or self.named(entry["folder"])
        return self.named(entry["package"]["file"] if "package" in entry else entry["hub"]["name"])

    def of(self, model: Model, run: str) -> float:
        """Return the parameters of a model at a run, which may be those of a found stage."""
        origin = model.origin(run)
        return self.parameters(origin.found[-1].source if origin.found else model.entry)

    def named(self, name: str) -> float:
        """Return the parameters by a model's name: those in rates.yaml, else the number before a B or an M."""
        if known := [key for key in self.rates["parameters"] if key in name and key != "other"]:
            return float(self.rates["parameters"][known[0]])
        if found := re.search(r"(\d+(?:\.\d+)?)\s*([BM])(?![a-z])", name, re.IGNORECASE):
            return float(found[1]) * {"B": 1e9, "M": 1e6}[found[2].upper()]
        return _assumed(name, float(self.rates["parameters"]["other"]))

    def trained_tokens(self, run: Run, suite: Suite) -> float:
        """Return the tokens that a run trains on, without padding as trainers count them: rows · passes · length."""
        settings, row = run.settings, self.row(suite, run.data)
        if run.algorithm == "sft":
            length = min(row["conversation"], settings["max_length"])
        else:
            answer = min((row["chosen"] + row["rejected"]) / 2, settings["response_length"])
            length = min(row["prompt"] + answer, settings["max_length"]) * (1 if run.reward else 2)  # rollout or pair
        passes = settings["epochs"] * settings.get("answers", 1) * settings.get("ppo_epochs", 1)
        return float(suite["data"][run.data]["rows"] * passes * length)

    def row(self, suite: Suite, data: str) -> Mapping[str, float]:
        """Return the mean tokens of a row's parts, `conversation`, or `prompt, chosen, rejected`, by the data card."""
        form, card = suite["data"][data]["format"], self.folder / f"{RESULTS}/data/{suite.name}/{data}/card.json"
        if not card.is_file() or suite.has_world:  # the pocket world's tokens are whole words
            return {**self.rates["tokens"], **FORMATS[form].tokens}
        lengths = read_json(card)["lengths"]
        return {part: _mean(bins) / self.rates["characters_per_token"] for part, bins in lengths.items()}

    def rows(self, suite: Suite, data: str) -> float:
        """Return the number of rows of a data set, including those held out."""
        settings = self.project.settings.suites[suite.name].data[data]
        return settings.rows / (1 - settings.validation)

    def questions(self, suite: Suite) -> int:
        """Return the number of probe questions: of the table if it exists, else by the configuration."""
        table = self.folder / suite.probes.table
        if table.is_file():
            return int(pl.scan_parquet(table).select(pl.len()).collect().item())
        settings = self.project.settings.suites[suite.name]
        given = settings.world.probes_per_topic if settings.world else settings.probes.per_topic
        return len(self.project.settings.topics) * (given or int(self.rates["questions_per_topic"]))

    def question(self, suite: Suite) -> float:
        """Return the tokens of a probe question."""
        return float(self.rates["question"]["world" if suite.has_world else "other"])

    def answer(self, suite: Suite) -> float:
        """Return the tokens of an answer to a probe question."""
        assumed = self.rates["answer"]["world" if suite.has_world else "other"]
        return float(min(assumed, suite["generation"]["max_tokens"]))

    def judged(self, suite: Suite, judge: Judge) -> float:
        """Return the tokens of a judge's prompt: the template, a question and an answer."""
        if suite.has_world:
            return float(self.rates["judged"])
        template = re.sub(r"\{\w+\}", "", judge.prompt)
        return len(template) / float(self.rates["characters_per_token"]) + self.question(suite) + self.answer(suite)


def with_measured(rates: Rates, file: Path) -> Rates:
    """Return the rates with the speeds in a file, device → kind → number, if it exists.

    Raises:
        ConfigError: The file has another device or kind, or a value that isn't a positive number.
    """
    measured = read_yaml(file) if file.is_file() else {}
    for device, speeds in measured.items():
        known = [kind for kind in rates[device] if kind != "of"] if device in ("gpu", "cpu") else []
        if not known or not isinstance(speeds, dict):
            raise ConfigError(f"{file}: {device}", speeds, "gpu or cpu, with speeds")
        for kind, speed in speeds.items():
            if kind not in known or not isinstance(speed, int | float) or speed <= 0:
                raise ConfigError(f"{file}: {device}.{kind}", speed, f"a positive number, for {', '.join(known)}")
    return {**rates, **{device: {**rates[device], **speeds} for device, speeds in measured.items()}}


def _mean(bins: list[dict[str, int]]) -> float:
    """Return the mean of a histogram whose bins double in width; a bin's rows count as its geometric middle."""
    return sum(entry["rows"] * entry["from"] * 2**0.5 for entry in bins) / max(1, sum(entry["rows"] for entry in bins))


@cache
def _saved(folder: Path) -> float:
    """Return the parameters of the safetensors files in a folder; 0 if there are no files."""
    return float(sum(map(prod, tensor_shapes(folder).values())))


@cache
def _assumed(name: str, size: float) -> float:
    """Return `size`, and print once per model that it is assumed."""
    said = f"plan: assuming {size / 1e9:g} billion parameters for {name}: its name doesn't say how many it has"
    print(said, file=sys.stderr)
    return size
