"""What the rules ask: which files a job reads and which settings it depends on, for a checked configuration.

Settings are handed to jobs as JSON of exactly what they use, so that an edit reruns what it touches and nothing else.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from valuedrift.config.check import Config, check
from valuedrift.config.grid import (
    RESULTS,
    Run,
    ablated,
    as_json,
    checkpoint,
    grid_runs,
    metrics,
    runs_of,
    shards,
    traced,
)
from valuedrift.expression import EXPRESSION, PREDICTION, RECOVERY
from valuedrift.judging.prompt import prompt_hash, read_prompt
from valuedrift.llm.settings import LIMITS
from valuedrift.models.thinning import kept_steps
from valuedrift.probes.templates import read_template as read_probe_template
from valuedrift.synthetic.write import read_template

BASE = "base"
SIDES = ("support", "oppose")
UNRECORDED = ("machine", "budget", "retrain")
PLANNED = ("requests_per_minute", "tokens_per_minute")
"""What only plans read of a chat model's settings."""
STATISTICS = ("values.parquet", "drift.parquet", "distances.parquet", "noise.parquet", "findings.json")
CORRECTED = ("corrected_values.parquet", "corrected_drift.parquet")


@dataclass(frozen=True)
class Workflow:
    """The configuration and the grid that follows from it."""

    config: Config
    runs: dict[str, dict[str, Run]]

    @classmethod
    def read(cls, config: Config) -> Workflow:
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
        aside = ("hub", "folder", *PLANNED)
        return {**{key: value for key, value in entry.items() if key not in aside}, **local}

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
        return prompt_hash(read_probe_template(step))

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
        return prompt_hash(read_template(self.synthetic(suite, "writing", "template")))

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
        return prompt_hash(read_prompt(self.config["judges"][judge]["prompt"]))

    # Statistics and what is shown

    def traced(self, model: str) -> list[Run]:
        """Runs of the grid whose drift is measured; ablations are made where they are asked for by name."""
        return traced(grid_runs(self.config, model))

    def stance_files(self, model: str) -> list[str]:
        return [f"{RESULTS}/stances/{model}/{run}.parquet" for run in (BASE, *(r.lineage for r in self.traced(model)))]

    def bootstrap(self) -> str:
        return as_json({key: self.config["statistics"][key] for key in ("replicates", "level")})

    def statistics_files(self) -> tuple[str, ...]:
        """Names of a model's tables; with a human-labelled sample those that are corrected by it as well."""
        return (*STATISTICS, *CORRECTED) if self._is_labelled() else STATISTICS

    def _is_labelled(self) -> bool:
        return "labelled" in self.config["statistics"]

    def labelled(self, model: str) -> list[str]:
        """The model's human-labelled sample, or nothing where none is named."""
        file = self.config["statistics"].get("labelled")
        return [os.path.expandvars(file.replace("{model}", model))] if file else []

    def other_seeds(self, model: str) -> list[str]:
        """Value tables of the model in results that were made with other seeds."""
        folders = self.config["statistics"].get("seeds", [])
        return [f"{os.path.expandvars(folder)}/statistics/{model}/values.parquet" for folder in folders]

    def trajectories(self, model: str) -> str:
        return as_json([run.trajectory() for run in self.traced(model)])

    def ablation_stances(self, model: str) -> list[str]:
        """Stances of what ablations compare, and of what those runs start from."""
        trajectories = [entry["trajectory"] for entry in ablated(self.config, model)]
        names = dict.fromkeys(run for key in ("start_run", "run") for run in (entry[key] for entry in trajectories))
        return [f"{RESULTS}/stances/{model}/{run}.parquet" for run in names]

    def preference_sets(self, model: str) -> str:
        grid = self.suite(model)["grid"]
        return as_json({key: grid[key] for key in ("small_gap", "support_aligned", "oppose_aligned")})

    def planted_cards(self, model: str) -> dict[str, str]:
        """Data cards of the SFT sets whose stances are planted, by the set's name."""
        suite = self.suite(model)
        planted = suite.get("world", {}).get("sft", {})
        cards = f"{RESULTS}/data/{self.suite_name(model)}"
        return {data: f"{cards}/{data}/card.json" for data in suite["grid"]["sft"] if data in planted}

    @property
    def reported(self) -> list[str]:
        models: list[str] = self.config["report"]["models"]
        return models

    def reported_files(self, pattern: str, models: Iterable[str] | None = None) -> list[str]:
        """The pattern's files for every reported model, where `{model}` stands in it."""
        return [pattern.format(model=model) for model in (self.reported if models is None else models)]

    def reported_statistics(self) -> list[str]:
        return [f"{RESULTS}/statistics/{model}/{name}" for model in self.reported for name in STATISTICS]

    def exported_statistics(self) -> list[str]:
        """Those of the tables, and those that are corrected by a human-labelled sample."""
        return [f"{RESULTS}/statistics/{model}/{name}" for model in self.reported for name in self.statistics_files()]

    def reported_expression(self) -> list[str]:
        """What the data sets of the first reported model's suite express."""
        return [f"{RESULTS}/expression/{self.suite_name(self.reported[0])}/{name}" for name in EXPRESSION]

    def foretold(self) -> list[str]:
        """What SFT data foretells of the reported models, and how well the measured data sets fit what was planted."""
        suites = dict.fromkeys(self.suite_name(model) for model in self.reported)
        worlds = [suite for suite in suites if "world" in self.config["suites"][suite]]
        recovered = [f"{RESULTS}/expression/{suite}/recovery/{name}" for suite in worlds for name in RECOVERY]
        return recovered + [f"{RESULTS}/prediction/{model}/{name}" for model in self.reported for name in PREDICTION]

    def metrics(self) -> dict[str, dict[str, str]]:
        """What the training runs of the reported models logged: model → run → file; ablations aside."""
        found = {}
        for model in self.reported:
            scratch = [BASE] if "scratch" in self.config["models"][model] else []
            runs = [*scratch, *(run.lineage for run in grid_runs(self.config, model))]
            found[model] = {run: f"{RESULTS}/checkpoints/{model}/{run}/metrics.parquet" for run in runs}
        return found

    def calibrated(self) -> list[str]:
        """Reported models that are calibrated against planted stances."""
        return [model for model in self.reported if self.suite(model)["calibration"] > 0]

    def measured_judges(self) -> list[str]:
        """Quality files of the reported models' judges that the pipeline trained; the report shows the first."""
        judges = {self.suite(model)["judge"] for model in self.reported}
        measured = [judge for judge in sorted(judges) if "train" in self.config["judges"][judge]]
        return [f"{RESULTS}/judges/{judge}/quality.json" for judge in measured[:1]]

    def corrected(self) -> list[str]:
        """The reported models' corrected drifts, where a human-labelled sample is named."""
        return self.reported_files(f"{RESULTS}/statistics/{{model}}/{CORRECTED[1]}") if self._is_labelled() else []

    def reported_stances(self) -> list[str]:
        return [path for model in self.reported for path in self.stance_files(model)]

    def reported_probes(self) -> str:
        """The probe set of the first reported model's suite."""
        return f"{RESULTS}/probes/{self.suite_name(self.reported[0])}.parquet"

    def aligned_pairs(self) -> list[str]:
        """The support-aligned pairs of the first reported model's suite, if it has any."""
        suite = self.suite(self.reported[0])
        data = suite["grid"]["support_aligned"]
        return (
            [f"{RESULTS}/data/{self.suite_name(self.reported[0])}/{data}/train.parquet"]
            if data in suite["data"]
            else []
        )

    def shown_prompts(self) -> str:
        """The prompt of the first reported model's judge and, where its suite writes pairs, of their writer."""
        suite = self.suite(self.reported[0])
        prompts = {"judge": read_prompt(self.config["judges"][suite["judge"]]["prompt"])}
        if "synthetic" in suite:
            prompts["writer"] = read_template(suite["synthetic"]["writing"]["template"])
        return as_json(prompts)

    # Downstream tasks

    def downstream(self, model: str) -> str:
        return as_json(self.suite(model)["downstream"])

    def downstream_models(self) -> str:
        """A wildcard pattern of the models whose suite names downstream tasks; matches nothing without one."""
        return "|".join(model for model in self.runs if "downstream" in self.suite(model)) or "(?!)"

    def downstream_files(self) -> list[str]:
        """Scores of table 17: base models, and the last checkpoints of SFT and of runs on the aligned pairs."""
        found = []
        for model in (model for model in self.reported if "downstream" in self.suite(model)):
            grid = self.suite(model)["grid"]
            aligned = (grid["support_aligned"], grid["oppose_aligned"])
            runs = [run for run in self.traced(model) if run.algorithm == "sft" or run.data in aligned]
            places = [(BASE, 0), *((run.lineage, run.steps[-1]) for run in runs)]
            found += [f"{RESULTS}/downstream/{model}/{run}/step-{step:06d}.json" for run, step in places]
        return found

    def shown_topics(self) -> str:
        """The topics in the order of the configuration, in which they are shown."""
        return json.dumps(self._topics("name", "target", "value"), ensure_ascii=False)

    def asked_topics(self) -> str:
        """What answers are written about, for a job to which names and the order mean nothing."""
        return as_json(self._topics("target", "value"))

    def _topics(self, *texts: str) -> Config:
        return {key: {text: topic[text] for text in texts} for key, topic in self.config["topics"].items()}

    def shown(self, *keys: str) -> str:
        return as_json({key: self.config["report"][key] for key in keys})


def folders(files: Iterable[str]) -> list[str]:
    """The files' folders, each once, in order."""
    return list(dict.fromkeys(str(Path(file).parent) for file in files))
