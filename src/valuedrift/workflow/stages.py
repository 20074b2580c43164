"""What the rules ask: which files a job reads and which settings it depends on, for a checked configuration.

Settings are handed to jobs as JSON of exactly what they use, so that an edit reruns what it touches and nothing else.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from valuedrift.config.chat_models import LIMITS
from valuedrift.config.check import Config, check
from valuedrift.config.grid import (
    RESULTS,
    Run,
    as_json,
    checkpoint,
    metrics,
    runs_of,
    shards,
)
from valuedrift.judging.judge_prompt import read_judge_prompt
from valuedrift.models.kept_steps import kept_steps
from valuedrift.probes.question_prompts import read_question_prompt
from valuedrift.synthetic.writer_requests import read_writer_prompt
from valuedrift.templates import prompt_hash

BASE = "base"
SIDES = ("support", "oppose")
UNRECORDED = ("machine", "budget", "retrain")


@dataclass(frozen=True)
class Stages:
    """The configuration and the grid that follows from it."""

    config: Config
    runs: dict[str, dict[str, Run]]

    @classmethod
    def read(cls, config: Config) -> Self:
        """Check the configuration and lay out the grid; raises ConfigError before any job starts."""
        check(config)
        return cls(config, {model: {run.lineage: run for run in runs_of(config, model)} for model in config["models"]})

    # Models, suites and judges

    def suite_name(self, model: str) -> str:
        return str(self.config["models"][model]["suite"])

    def suite(self, model: str) -> Config:
        suite: Config = self.config["suites"][self.suite_name(model)]
        return suite

    def named(self, section: str, *kinds: str) -> str:
        """A wildcard pattern of the section's entries that have one of the keys; matches nothing where none has."""
        found = [name for name, entry in self.config.get(section, {}).items() if any(kind in entry for kind in kinds)]
        return "|".join(found) or "(?!)"

    def source(self, section: str, name: str) -> str:
        entry = self.config[section][name]
        return as_json({key: entry[key] for key in ("hub", "folder") if key in entry})

    def llm(self, name: str) -> Config:
        """The settings of a chat model, as valuedrift.llm reads them; `model` is its folder where no server has it."""
        entry = self.config["llms"][name]
        local = {"model": f"{RESULTS}/llms/{name}/model"} if self.llm_folder(name) else {}
        return {**{key: value for key, value in entry.items() if key not in ("hub", "folder")}, **local}

    def llm_version(self, name: str) -> Config:
        """What of the settings a reply depends on: all but limits."""
        return {key: value for key, value in self.llm(name).items() if key not in LIMITS}

    def llm_folder(self, name: str) -> list[str]:
        """What a job that asks this chat model needs of it: its folder, or nothing where a server has it."""
        return [] if "model" in self.config["llms"][name] else [f"{RESULTS}/llms/{name}/model"]

    # Folders of weights are read as `ancient`: they have no checksum, and a copied or touched one would look new. These
    # small files beside them are read as well, and are new when the weights are.

    def made_model(self, model: str) -> str:
        made = "scratch" in self.config["models"][model]
        return metrics(model, BASE) if made else f"{RESULTS}/checkpoints/{model}/{BASE}/source.json"

    def made_run(self, model: str, run: str) -> list[str]:
        """Of the model and, where it is another, of the run."""
        return [self.made_model(model), *([] if run == BASE else [metrics(model, run)])]

    def made_for(self, run: Run) -> list[str]:
        """Of all weights that a training run starts with."""
        return [*self.made_run(run.model, run.parent), *([metrics(run.model, run.reward)] if run.reward else [])]

    def made_judge(self, judge: str) -> list[str]:
        entry = self.config["judges"][judge]
        kept = "metrics.parquet" if "train" in entry else "source.json"
        return [] if "llm" in entry else [f"{RESULTS}/judges/{judge}/{kept}"]

    def made_llm(self, name: str) -> list[str]:
        return [] if "model" in self.config["llms"][name] else [f"{RESULTS}/llms/{name}/source.json"]

    def targets(self) -> str:
        return as_json({key: topic["target"] for key, topic in self.config["topics"].items()})

    def training_machine(self) -> str:
        """How, not what, a run trains: settings that change none of its weights."""
        machine = self.config.get("machine", {})
        return as_json({key: machine[key] for key in ("resume_minutes", "report_to") if key in machine})

    def science(self) -> str:
        """The configuration less what changes no result: machine settings, budgets, leave to train again."""
        return as_json({key: part for key, part in self.config.items() if key not in UNRECORDED})

    # World, data and probes

    def world_settings(self, suite: str) -> str:
        world = self.config["suites"][suite]["world"]
        return as_json({"seed": self.config["seed"], **{key: world[key] for key in ("probes_per_topic", "variation")}})

    def world_tables(self, suite: str) -> dict[str, tuple[str, Config]]:
        """The tables of a suite's world: name → (kind, plan); none for suites on real data."""
        world = self.config["suites"][suite].get("world")
        if not world:
            return {}
        judge, phrasings = world["judge"], {"heldout_phrasings": world["judge"]["heldout_phrasings"]}
        return {
            **{name: ("sft", plan) for name, plan in world["sft"].items()},
            **{name: ("preference", plan) for name, plan in world["preference"].items()},
            "pretraining": ("pretraining", world["pretraining"]),
            "judge_train": ("judge", {"rows": judge["train_rows"], "heldout": False, **phrasings}),
            "judge_heldout": ("judge", {"rows": judge["heldout_rows"], "heldout": True, **phrasings}),
            "probes": ("probes", {}),
        }

    def sources(self, suite: str, files: Iterable[str]) -> list[str]:
        """Which of the files are inputs: those the pipeline makes, and local ones that are there.

        Absent ones are left to the job that reads them, which explains what is missing.
        """
        made = {f"{RESULTS}/world/{suite}/{name}" for name in self.world_tables(suite)}
        if "synthetic" in self.config["suites"][suite]:
            made |= {f"{RESULTS}/synthetic/{suite}/{side}" for side in SIDES}
        paths = [(str(Path(file).with_suffix("")) in made, os.path.expandvars(file)) for file in files]
        return [path for is_made, path in paths if is_made or ("$" not in path and Path(path).exists())]

    def data_sources(self, suite: str, data: str) -> list[str]:
        return self.sources(suite, self.config["suites"][suite]["data"][data].get("files", []))

    def data_settings(self, suite: str, data: str) -> str:
        return as_json({**self.config["suites"][suite]["data"][data], "name": data})

    def data_version(self, suite: str, data: str) -> str:
        """What of a data set's settings its rows depend on: a better title must not train again."""
        entry = self.config["suites"][suite]["data"][data]
        return as_json({key: value for key, value in entry.items() if key not in ("title", "licence")})

    def keywords(self, suite: str) -> str:
        """What a question's topic is known by; nothing where the file of questions says it."""
        searched = self.config["suites"][suite]["probes"]["source"] != "questions"
        return as_json({key: topic["keywords"] if searched else [] for key, topic in self.config["topics"].items()})

    def sft_tables(self, suite: str) -> list[str]:
        names = self.config["suites"][suite]["grid"]["sft"]
        return [f"{RESULTS}/data/{suite}/{data}/train.parquet" for data in names]

    def pretraining_text(self, model: str) -> str:
        suite = self.suite_name(model)
        made = "world" in self.config["suites"][suite]
        return f"{RESULTS}/world/{suite}/pretraining.parquet" if made else f"{RESULTS}/data/{suite}/documents.parquet"

    # The probe set

    def suites_with_probes(self, *sources: str) -> str:
        """A wildcard pattern of the suites whose probes come from one of these sources; matches nothing without one."""
        suites = self.config["suites"].items()
        return "|".join(name for name, suite in suites if suite["probes"]["source"] in sources) or "(?!)"

    def vprism(self, suite: str, key: str) -> Any:
        return self.config["suites"][suite]["probes"][key]

    def vprism_llm(self, suite: str) -> str:
        """The option that names the chat model, or none where the suite has none."""
        name = self.config["suites"][suite]["probes"].get("llm")
        return f"--llm {shlex.quote(as_json(self.llm(name)))}" if name else ""

    def vprism_llm_version(self, suite: str) -> str:
        name = self.config["suites"][suite]["probes"].get("llm")
        return as_json(self.llm_version(name)) if name else ""

    def vprism_llm_folder(self, suite: str) -> list[str]:
        name = self.config["suites"][suite]["probes"].get("llm")
        return self.llm_folder(name) if name else []

    def made_vprism_llm(self, suite: str) -> list[str]:
        name = self.config["suites"][suite]["probes"].get("llm")
        return self.made_llm(name) if name else []

    def vprism_choice(self, suite: str) -> list[str]:
        """The reviewed choice of topics, once there is one; the job that reads it explains what is missing."""
        path = Path(self.vprism(suite, "choice"))
        return [str(path)] if path.exists() else []

    def vprism_proposal(self, suite: str) -> list[str]:
        """What the choice is to be made from, until it is made: a better wording of topics must not filter again."""
        return [] if self.vprism_choice(suite) else [f"{RESULTS}/vprism/{suite}/topics.yaml"]

    def template_version(self, step: str) -> str:
        return prompt_hash(read_question_prompt(step))

    # Pairs with a planted value gap

    def synthetic(self, suite: str, *keys: str) -> Any:
        found: Any = self.config["suites"][suite]["synthetic"]
        for key in keys:
            found = found[key]
        return found

    def synthetic_retrieval(self, suite: str) -> str:
        settings = self.synthetic(suite, "retrieval")
        return as_json({key: value for key, value in settings.items() if key != "longest"})

    def writer_version(self, suite: str) -> str:
        return prompt_hash(read_writer_prompt(self.synthetic(suite, "writing", "template")))

    # What data sets express

    def expression(self, suite: str, key: str) -> Any:
        return self.config["suites"][suite]["expression"][key]

    def retrieval(self, suite: str) -> str:
        settings = self.config["suites"][suite]["expression"]
        return as_json({key: settings[key] for key in ("model", "threshold", "topics")})

    def expressed(self, suite: str, name: str) -> list[str]:
        """That table of every data set of the suite."""
        return [f"{RESULTS}/expression/{suite}/{data}/{name}.parquet" for data in self.config["suites"][suite]["data"]]

    def tables_by_set(self, suite: str) -> dict[str, list[str]]:
        parts = ("train", "validation")
        names = self.config["suites"][suite]["data"]
        return {data: [f"{RESULTS}/data/{suite}/{data}/{part}.parquet" for part in parts] for data in names}

    def planted_tables(self, suite: str) -> list[str]:
        return [path for paths in self.tables_by_set(suite).values() for path in paths]

    def suite_judge(self, suite: str) -> str:
        return str(self.config["suites"][suite]["judge"])

    # Answers and stances

    def steps(self, model: str, run: str) -> tuple[int, ...]:
        return (0,) if run == BASE else self.runs[model][run].steps

    def shards(self, model: str, run: str) -> list[tuple[int, ...]]:
        return shards(self.steps(model, run), self.suite(model)["generation"]["shard"])

    def shard_checkpoints(self, model: str, run: str, shard: str) -> list[str]:
        return [checkpoint(model, run, step) for step in self.shards(model, run)[int(shard)]]

    def let_go(self, model: str, run: str, shard: str) -> str:
        """Steps of a shard whose weights may go when it has answered."""
        steps, machine = self.steps(model, run), self.config.get("machine", {})
        kept = kept_steps(steps, machine.get("keep", "all"), machine.get("nth", 1))
        return as_json([step for step in self.shards(model, run)[int(shard)] if step not in kept])

    def shard_files(self, model: str, run: str) -> list[str]:
        return [f"{RESULTS}/generations/{model}/{run}/shard-{n}.parquet" for n in range(len(self.shards(model, run)))]

    def sampling(self, model: str, **changed: Any) -> str:
        settings = {**self.suite(model)["generation"], **changed, "seed": self.config["seed"]}
        return as_json({key: value for key, value in settings.items() if key not in ("shard", "engine")})

    def judge(self, wildcards: Any) -> str:
        """The judge that a job's suite names, or its model's suite."""
        return self.suite_judge(wildcards.get("suite") or self.suite_name(wildcards.model))

    def judge_folder(self, judge: str) -> list[str]:
        """What a job needs of a judge: its folder, or nothing where it is asked over a chat model's endpoint."""
        return [] if "llm" in self.config["judges"][judge] else [f"{RESULTS}/judges/{judge}/model"]

    def judge_settings(self, judge: str) -> str:
        entry = self.config["judges"][judge]
        asked = {"llm": self.llm(entry["llm"])} if "llm" in entry else {}
        return as_json({**{key: entry[key] for key in entry if key not in ("hub", "folder", "train")}, **asked})

    def judge_version(self, judge: str) -> str:
        """What of a judge's settings a stance depends on: all but limits, and the text of its prompt."""
        entry = self.config["judges"][judge]
        asked = {"llm": self.llm_version(entry["llm"])} if "llm" in entry else {}
        settings = {key: entry[key] for key in entry if key not in ("hub", "folder", "train")}
        return as_json({**settings, **asked, "prompt_text": self.prompt_version(judge)})

    def prompt_version(self, judge: str) -> str:
        """The hash of the judge's prompt, so that an edit of its text judges again as an edit of its name does."""
        return prompt_hash(read_judge_prompt(self.config["judges"][judge]["prompt"]))
