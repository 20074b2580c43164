"""What estimates rest on: sizes of models and lengths of texts, measured where files exist and assumed elsewhere."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from valuedrift.config.check import Config
from valuedrift.config.grid import RESULTS, Run, checkpoint
from valuedrift.errors import ConfigError
from valuedrift.files import read_json
from valuedrift.judging.judge_prompt import read_judge_prompt
from valuedrift.workflow.flow import Workflow
from valuedrift.workflow.stages import BASE

Rates = Mapping[str, Any]
_BYTES = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2}


@cache
def default_rates() -> Rates:
    """The shipped table of speeds, lengths and sizes."""
    text = files("valuedrift.workflow").joinpath("rates.yaml").read_text(encoding="utf-8")
    rates: Rates = yaml.safe_load(text)
    return rates


@dataclass(frozen=True)
class Basis:
    """The configuration, the shipped table, and the folder in which `results` lies."""

    flow: Workflow
    rates: Rates
    folder: Path = Path()

    def suite_of(self, model: str) -> Config:
        return self.flow.suite(model)

    # Sizes of models, in parameters

    def model_size(self, model: str) -> float:
        entry = self.flow.config["models"][model]
        return _saved_size(self.folder / checkpoint(model, BASE, 0)) or self.entry_size(entry)

    def judge_size(self, judge: str) -> float:
        entry = self.flow.config["judges"][judge]
        if "llm" in entry:
            return 0
        return _saved_size(self.folder / f"{RESULTS}/judges/{judge}/model") or self.entry_size(
            entry.get("train", entry)
        )

    def llm_size(self, llm: str) -> float:
        return self.entry_size(self.flow.config["llms"][llm])

    def entry_size(self, entry: Config) -> float:
        """By the shape of a model made from scratch, else by the name of the hub's repository or the folder."""
        if shape := entry.get("scratch", entry.get("shape")):
            return float(shape["vocabulary"] * shape["hidden"] + 12 * shape["layers"] * shape["hidden"] ** 2)
        name = entry["hub"]["name"] if "hub" in entry else entry["folder"]
        return _saved_size(Path(name)) or self.named_size(name)

    def named_size(self, name: str) -> float:
        """Parameters of a model of the hub, by its name; an encoder's may end in @ and its commit."""
        name = name.partition("@")[0]
        if name in self.rates["parameters"]:
            return float(self.rates["parameters"][name])
        if found := re.search(r"(\d+(?:\.\d+)?)\s*([BM])(?![a-z])", name, re.IGNORECASE):
            return float(found[1]) * {"B": 1e9, "M": 1e6}[found[2].upper()]
        raise ConfigError("hub.name or folder", name, "a name that tells the size, such as my-model-3B, or a folder")

    def is_small(self, model: str) -> bool:
        """Whether a CPU trains and asks it: models that the pipeline makes from scratch."""
        return "scratch" in self.flow.config["models"][model]

    # Lengths, in tokens

    def trained_tokens(self, run: Run) -> float:
        """Tokens that a run trains on, as the trainers count them (padding aside)."""
        return self.row_tokens(run) * self.passes(run)

    def passes(self, run: Run) -> float:
        """How often rows are seen: epochs, of rollouts each with its answers and passes."""
        settings = json.loads(run.settings)
        rows = self.suite_of(run.model)["data"][run.data]["rows"]
        return float(rows * settings["epochs"] * settings.get("answers", 1) * settings.get("ppo_epochs", 1))

    def row_tokens(self, run: Run) -> float:
        """Tokens of a row: those that a finished run on the same data counted, else the data card's, else assumed."""
        for other in self._alike(run):
            counted = _counted(self.folder / f"{RESULTS}/checkpoints/{other.model}/{other.lineage}/metrics.parquet")
            if counted:
                return counted / self.passes(other)
        settings = json.loads(run.settings)
        return _row(family(run.algorithm), self.part_tokens(run.suite, run.data), settings)

    def _alike(self, run: Run) -> Iterator[Run]:
        """Runs on the same data whose rows are the same texts, this one first."""
        runs = [other for model in self.flow.runs.values() for other in model.values()]
        runs.sort(key=lambda other: other != run)
        for other in runs:
            if (other.suite, other.data, family(other.algorithm)) == (run.suite, run.data, family(run.algorithm)):
                yield other

    def part_tokens(self, suite: str, data: str) -> Mapping[str, float]:
        """Mean tokens of a data set's parts: `conversation`, or `prompt`, `chosen` and `rejected`."""
        settings = self.flow.config["suites"][suite]["data"][data]
        card = self.folder / f"{RESULTS}/data/{suite}/{data}/card.json"
        assumed: Mapping[str, float] = self.rates["tokens"][settings["format"]]
        # The pocket's tokens are words of its own: characters say little about them.
        if not card.is_file() or settings["format"].startswith("world_"):
            return assumed
        lengths = read_json(card)["lengths"]
        return {part: _mean(lengths[part]) / self.rates["characters_per_token"] for part in assumed}

    def answer_tokens(self, model: str) -> float:
        """Mean tokens of an answer to a probe: of answers that exist in the suite, else assumed."""
        suite = self.flow.suite_name(model)
        for other in self.flow.config["models"]:
            if self.flow.suite_name(other) == suite:
                found = _mean_of(self.folder / f"{RESULTS}/generations/{other}", "shard-*.parquet", "tokens")
                if found:
                    return found
        return min(self.of_world("answer", suite), float(self.suite_of(model)["generation"]["max_tokens"]))

    def judged_tokens(self, suite: str, answer: float) -> float:
        """Tokens of a filled prompt: as the suite's judge read them, else those of template, question and answer."""
        for model in self.flow.config["models"]:
            if self.flow.suite_name(model) == suite:
                found = _mean_of(self.folder / f"{RESULTS}/stances/{model}", "*.parquet", "judge_tokens")
                if found:
                    return found
        if "world" in self.flow.config["suites"][suite]:
            return float(self.rates["judged"])
        judge = self.flow.config["judges"][self.flow.suite_judge(suite)]
        template = re.sub(r"\{\w+\}", "", read_judge_prompt(judge["prompt"]))
        fixed = len(template) / float(self.rates["characters_per_token"])
        return fixed + self.of_world("question", suite) + answer

    def questions(self, suite: str) -> int:
        """Probe questions: those of the table where it exists, else as many as the configuration asks for."""
        table = self.folder / f"{RESULTS}/probes/{suite}.parquet"
        if table.is_file():
            return _height(table)
        settings = self.flow.config["suites"][suite]
        per_topic = settings.get("world", {}).get("probes_per_topic", settings["probes"].get("per_topic", 50))
        return int(per_topic * len(self.flow.config["topics"]))

    def of_world(self, key: str, suite: str) -> float:
        """An assumed length, of the pocket world's texts or of others."""
        return float(self.rates[key]["world" if "world" in self.flow.config["suites"][suite] else "other"])


def family(algorithm: str) -> str:
    """What an algorithm's rows are: conversations, pairs, or prompts with rollouts."""
    if algorithm == "sft":
        return "conversations"
    return "rollouts" if algorithm in ("ppo", "grpo", "rloo") else "pairs"


def _row(kind: str, parts: Mapping[str, float], settings: Config) -> float:
    longest = float(settings["max_length"])
    if kind == "conversations":
        return min(parts["conversation"], longest)
    answer = min((parts["chosen"] + parts["rejected"]) / 2, float(settings["response_length"]))
    sequence = min(parts["prompt"] + answer, longest)
    return sequence if kind == "rollouts" else 2 * sequence


def _mean(bins: list[dict[str, int]]) -> float:
    """Mean of a histogram whose bins double: rows of a bin lie at its geometric middle."""
    rows = max(1, sum(entry["rows"] for entry in bins))
    return float(sum(entry["rows"] * entry["from"] * 2**0.5 for entry in bins)) / rows


@cache
def _saved_size(folder: Path) -> float:
    """Parameters of the safetensors in a folder, by their headers alone; 0 without any."""
    return float(sum(_tensors(file) for file in folder.glob("*.safetensors"))) if folder.is_dir() else 0.0


def _tensors(file: Path) -> int:
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(length))
    sizes = [
        (entry["data_offsets"][1] - entry["data_offsets"][0]) // _BYTES.get(entry["dtype"], 1)
        for name, entry in header.items()
        if name != "__metadata__"
    ]
    return sum(sizes)


@cache
def _counted(metrics: Path) -> float:
    """The tokens that a finished training counted; 0 where there is no such file."""
    if not metrics.is_file():
        return 0.0
    counts = pl.scan_parquet(metrics).filter(pl.col("metric") == "num_tokens").select(pl.col("value").max()).collect()
    return float(counts.item() or 0.0)


@cache
def _mean_of(folder: Path, pattern: str, column: str) -> float:
    """Mean of a column over at most ten of the tables below a folder; 0 without any."""
    tables = sorted(folder.rglob(pattern))[:10] if folder.is_dir() else []
    if not tables:
        return 0.0
    return float(pl.concat([pl.scan_parquet(path).select(column) for path in tables]).mean().collect().item() or 0.0)


@cache
def _height(table: Path) -> int:
    return int(pl.scan_parquet(table).select(pl.len()).collect().item())
