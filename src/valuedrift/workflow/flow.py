"""What the rules of statistics and of what is shown ask, beside what those of the stages before ask (Stages)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from valuedrift.config.check import Config
from valuedrift.config.grid import RESULTS, Run, ablated, as_json, grid_runs, traced
from valuedrift.dataset_stances import EXPRESSION, PREDICTION, RECOVERY
from valuedrift.judging.judge_prompt import read_judge_prompt
from valuedrift.synthetic.writer_requests import read_writer_prompt
from valuedrift.workflow.stages import BASE, Stages

STATISTICS = ("values.parquet", "drift.parquet", "distances.parquet", "noise.parquet", "findings.json")
CORRECTED = ("corrected_values.parquet", "corrected_drift.parquet", "judge_agreement.parquet")


class Workflow(Stages):
    """The configuration and the grid that follows from it, as all rules read them."""

    # Statistics and what is shown

    def traced(self, model: str) -> list[Run]:
        """Runs of the grid whose drift is measured; ablations are made where they are asked for by name."""
        return traced(grid_runs(self.config, model))

    def stance_files(self, model: str) -> list[str]:
        return [f"{RESULTS}/stances/{model}/{run}.parquet" for run in (BASE, *(r.lineage for r in self.traced(model)))]

    def bootstrap(self) -> str:
        return as_json({key: self.config["statistics"][key] for key in ("replicates", "level")})

    def world_labels(self, model: str) -> int:
        """Answers of each stage and topic that the model's world labels, where it has one."""
        return int(self.suite(model).get("world", {}).get("labels", 0))

    def labelled(self, model: str) -> list[str]:
        """The model's labelled sample: the file that is named, else its world's, else nothing."""
        if file := self.config["statistics"].get("labelled"):
            return [os.path.expandvars(file.replace("{model}", model))]
        return [f"{RESULTS}/labels/{model}.parquet"] if self.world_labels(model) else []

    def labelled_models(self, world: bool = False) -> str:
        """A wildcard pattern of the models that have a labelled sample, or whose `world` labels one; or of none."""
        has = self.world_labels if world else self.labelled
        return "|".join(model for model in self.runs if has(model)) or "(?!)"

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
        return as_json({key: grid[key] for key in ("small_gap", "support_aligned", "oppose_aligned") if key in grid})

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

    def corrected(self, *names: str) -> list[str]:
        """These tables of the reported models that have a labelled sample, or all that are made by it."""
        models = [model for model in self.reported if self.labelled(model)]
        return [f"{RESULTS}/statistics/{model}/{name}" for model in models for name in names or CORRECTED]

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

    def reported_stances(self) -> list[str]:
        return [path for model in self.reported for path in self.stance_files(model)]

    def reported_probes(self) -> str:
        """The probe set of the first reported model's suite."""
        return f"{RESULTS}/probes/{self.suite_name(self.reported[0])}.parquet"

    def aligned_pairs(self) -> list[str]:
        """The support-aligned pairs of the first reported model's suite, if it has any."""
        suite = self.suite(self.reported[0])
        data = suite["grid"].get("support_aligned")
        return (
            [f"{RESULTS}/data/{self.suite_name(self.reported[0])}/{data}/train.parquet"]
            if data in suite["data"]
            else []
        )

    def shown_prompts(self) -> str:
        """The prompt of the first reported model's judge and, where its suite writes pairs, of their writer."""
        suite = self.suite(self.reported[0])
        prompts = {"judge": read_judge_prompt(self.config["judges"][suite["judge"]]["prompt"])}
        if "synthetic" in suite:
            prompts["writer"] = read_writer_prompt(suite["synthetic"]["writing"]["template"])
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
            aligned = (grid.get("support_aligned"), grid.get("oppose_aligned"))
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
