"""Sizes of models and lengths of texts: of what is there already, else as rates.yaml assumes."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import prod
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from valuedrift.config.check import Config
from valuedrift.config.grid import RESULTS, Run
from valuedrift.files import read_json
from valuedrift.workflow.project import Project

Rates = Mapping[str, Any]


@cache
def default_rates() -> Rates:
    """The shipped table of speeds, lengths and sizes."""
    rates: Rates = yaml.safe_load(files("valuedrift.workflow").joinpath("rates.yaml").read_text(encoding="utf-8"))
    return rates


@dataclass(frozen=True)
class Sizes:
    """The configuration, the table of rates, and the folder in which `results` lies."""

    project: Project
    rates: Rates
    folder: Path = Path()

    # Models, in parameters

    def model(self, model: str) -> float:
        return self.parameters(self.project.config["models"][model])

    def parameters(self, entry: Config) -> float:
        """Parameters of an entry of `models`, `judges` or `llms`: by its shape, its folder's weights, or its name."""
        if shape := entry.get("scratch", entry.get("shape")):
            return float(shape["vocabulary"] * shape["hidden"] + 12 * shape["layers"] * shape["hidden"] ** 2)
        if "folder" in entry:
            return _saved(Path(entry["folder"])) or self.named(entry["folder"])
        return self.named(entry["hub"]["name"])

    def named(self, name: str) -> float:
        """Parameters by the name of a model, whose revision may follow after an @."""
        name = name.partition("@")[0]
        if name in self.rates["parameters"]:
            return float(self.rates["parameters"][name])
        if found := re.search(r"(\d+(?:\.\d+)?)\s*([BM])(?![a-z])", name, re.IGNORECASE):
            return float(found[1]) * {"B": 1e9, "M": 1e6}[found[2].upper()]
        return _assumed(name, float(self.rates["parameters"]["other"]))

    def device(self, model: str) -> str:
        """A CPU trains and asks models that are made from scratch, a GPU all others."""
        return "cpu" if self.project.models[model].is_scratch else "gpu"

    def suite_device(self, suite: str) -> str:
        models = [model.name for model in self.project.models.values() if model.suite.name == suite]
        return "gpu" if "gpu" in map(self.device, models) else "cpu"

    # Texts, in tokens

    def trained_tokens(self, run: Run, settings: Config) -> float:
        """Tokens that a run trains on, as the trainers count them (without padding): rows, passes and mean length."""
        passes = settings["epochs"] * settings.get("answers", 1) * settings.get("ppo_epochs", 1)
        parts, longest = self.row(run.suite, run.data), float(settings["max_length"])
        if run.algorithm == "sft":
            length = min(parts["conversation"], longest)
        else:
            answer = min((parts["chosen"] + parts["rejected"]) / 2, float(settings["response_length"]))
            length = min(parts["prompt"] + answer, longest) * (1 if run.reward else 2)  # one rollout, or a pair
        return float(self.project.models[run.model].suite["data"][run.data]["rows"] * passes * length)

    def pretraining_tokens(self, model: str) -> float:
        suite = self.project.models[model].suite
        if suite.has_world:
            return float(suite["world"]["pretraining"]["rows"] * self.rates["pretraining"])
        sets = suite["grid"]["sft"]
        return float(sum(suite["data"][data]["rows"] * self.row(suite.name, data)["conversation"] for data in sets))

    def rows(self, suite: str, data: str) -> float:
        """Rows of a data set, those held out included."""
        settings = self.project.config["suites"][suite]["data"][data]
        return float(settings["rows"] / (1 - settings.get("validation", 0)))

    def row(self, suite: str, data: str) -> Mapping[str, float]:
        """Mean tokens of a row's parts, by the data card: `conversation`, or `prompt`, `chosen` and `rejected`."""
        form = self.project.config["suites"][suite]["data"][data]["format"]
        card = self.folder / f"{RESULTS}/data/{suite}/{data}/card.json"
        if not card.is_file() or form.startswith("world_"):  # the pocket world's tokens are whole words
            return {**self.rates["tokens"]["other"], **self.rates["tokens"].get(form, {})}
        lengths = read_json(card)["lengths"]
        return {part: _mean(bins) / self.rates["characters_per_token"] for part, bins in lengths.items()}

    def all_tokens(self, suite: str, data: str) -> float:
        """Tokens of all rows of a data set."""
        sft = data in self.project.config["suites"][suite]["grid"]["sft"]
        row, parts = self.row(suite, data), ("conversation",) if sft else ("prompt", "chosen", "rejected")
        return self.rows(suite, data) * sum(row[part] for part in parts)

    def question(self, suite: str) -> float:
        return self._assumed(suite, "question")

    def answer(self, suite: str) -> float:
        """Tokens of an answer to a probe question."""
        longest = self.project.config["suites"][suite]["generation"]["max_tokens"]
        return min(self._assumed(suite, "answer"), float(longest))

    def judged(self, suite: str) -> float:
        """Tokens of a judge's prompt: the template, a question and an answer."""
        if "world" in self.project.config["suites"][suite]:
            return float(self.rates["judged"])
        template = re.sub(r"\{\w+\}", "", self.project.suites[suite].judge.prompt)
        return len(template) / float(self.rates["characters_per_token"]) + self.question(suite) + self.answer(suite)

    def questions(self, suite: str) -> int:
        """Probe questions: those of the table where it exists, else as many as the configuration asks for."""
        table = self.folder / f"{RESULTS}/probes/{suite}.parquet"
        if table.is_file():
            return int(pl.scan_parquet(table).select(pl.len()).collect().item())
        settings = self.project.config["suites"][suite]
        per_topic = settings.get("world", {}).get("probes_per_topic", settings["probes"].get("per_topic", 50))
        return int(per_topic * len(self.project.config["topics"]))

    def _assumed(self, suite: str, text: str) -> float:
        return float(self.rates[text]["world" if "world" in self.project.config["suites"][suite] else "other"])


def _mean(bins: list[dict[str, int]]) -> float:
    """Mean of a histogram whose bins double; a bin's rows lie at its geometric middle."""
    return sum(entry["rows"] * entry["from"] * 2**0.5 for entry in bins) / max(1, sum(entry["rows"] for entry in bins))


@cache
def _saved(folder: Path) -> float:
    """Parameters of the safetensors files in a folder, by their headers; 0 without any."""
    from safetensors import safe_open

    total = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="numpy") as tensors:
            total += sum(prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    return float(total)


@cache
def _assumed(name: str, size: float) -> float:
    """Say once per model that its size had to be assumed."""
    said = f"plan: assuming {size / 1e9:g} billion parameters for {name}: its name doesn't say how many it has"
    print(said, file=sys.stderr)
    return size
