"""The checked configuration as objects for the rules: models, suites, judges and chat models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from valuedrift.config.check import Config, complete, read_config
from valuedrift.config.grid import RESULTS, ablated, grid_runs, runs_of
from valuedrift.config.schema import WorkflowConfig
from valuedrift.errors import ConfigError
from valuedrift.workflow.project_encoders import encoders_of
from valuedrift.workflow.project_judges import ChatModel, Judge
from valuedrift.workflow.project_models import Model
from valuedrift.workflow.project_suites import Suite
from valuedrift.workflow.rule_parameters import named

_UNRECORDED = ("machine", "budget", "retrain")


@dataclass(frozen=True)
class Project:
    """The models, suites, judges and chat models of a configuration, by name.

    Attributes:
        config: The configuration as it is written, with empty parts where a suite lacks them.
        settings: The configuration with its defaults.
    """

    config: Config
    settings: WorkflowConfig
    llms: dict[str, ChatModel]
    judges: dict[str, Judge]
    suites: dict[str, Suite]
    models: dict[str, Model]

    @classmethod
    def read(cls, config: Config) -> Self:
        """Check the configuration and lay out its grid.

        Raises:
            ConfigError: A key is wrong; the error names the first one.
        """
        settings, config = read_config(config), complete(config)
        llms = {name: ChatModel(name, entry) for name, entry in config.get("llms", {}).items()}
        judges = {name: Judge(name, entry, llms.get(entry.get("llm"))) for name, entry in config["judges"].items()}
        for judge in judges.values():
            judge.check()
        suites = {name: Suite.read(name, entry, judges, llms) for name, entry in config["suites"].items()}
        for suite in suites.values():
            suite.check()
        models = {
            name: Model(
                name,
                entry,
                suites[entry["suite"]],
                {run.lineage: run for run in runs_of(config, name)},
                grid_runs(config, name),
            )
            for name, entry in config["models"].items()
        }
        for name in config["report"]["models"]:
            if not models[name].trajectories:
                expected = "a run or a stage: values drift between two checkpoints"
                raise ConfigError(f"models.{name}", "one checkpoint", expected, "Name a base model or another stage.")
        return cls(config, settings, llms, judges, suites, models)

    @property
    def encoders(self) -> dict[str, Config]:
        """Key → package, for the sentence encoders that packages carry."""
        return encoders_of(self.config)

    @property
    def reported(self) -> list[Model]:
        """The models that tables, figures and the report show."""
        return [self.models[name] for name in self.config["report"]["models"]]

    @property
    def reported_suites(self) -> list[Suite]:
        return list({model.suite.name: model.suite for model in self.reported}.values())

    @property
    def measured_judges(self) -> list[str]:
        """The reported models' judges that the pipeline trains, and so can measure on held-out labels."""
        judges = {name: judge for model in self.reported for name, judge in model.suite.judges.items()}
        return [name for name in sorted(judges) if judges[name].is_trained]

    @property
    def recorded(self) -> Config:
        """The configuration without the parts that change no result: `machine`, `budget` and `retrain`."""
        return {key: part for key, part in self.config.items() if key not in _UNRECORDED}

    @property
    def training_machine(self) -> Config:
        """The machine settings of trainings, which don't change their weights."""
        machine = self.config.get("machine", {})
        return {key: machine[key] for key in ("resume_minutes", "report_to") if key in machine}

    @property
    def targets(self) -> dict[str, str]:
        """Topic → its target."""
        return {key: topic["target"] for key, topic in self.config["topics"].items()}

    def start_of(self, judge: Judge) -> tuple[list[str], list[str]]:
        """Return the folder and the stamp of the model that a judge's training starts from; empty if it is new."""
        if judge.base:
            return [judge.base], [self.models[judge["train"]["model"]].stamp]
        return (judge.encoder.folder, judge.encoder.stamp) if judge.encoder else ([], [])

    def topics(self, *texts: str) -> Config:
        """Return these texts of each topic, in the order of the configuration."""
        return {key: {text: topic[text] for text in texts} for key, topic in self.config["topics"].items()}

    def keywords(self, suite: Suite) -> dict[str, list[str]]:
        """Return the keywords by which a question's topic is found; none if the file of questions gives the topics."""
        topics = self.config["topics"].items()
        return {key: [] if suite.probes.names_topics else topic["keywords"] for key, topic in topics}

    def labelled(self, model: Model) -> str:
        """Return the path of the model's labelled sample: the configured one, or one that a job makes; "" if none."""
        if file := self.config["statistics"].get("labelled"):
            return named(file.replace("{model}", model.name))
        return f"{RESULTS}/labels/{model.name}.parquet" if model.suite.labels or model.suite.reference else ""

    @property
    def seeds(self) -> list[str]:
        """The folders of results with other seeds."""
        return [named(folder) for folder in self.config["statistics"].get("seeds", [])]

    def other_seeds(self, model: str) -> list[str]:
        """Return the model's values and findings from results with other seeds."""
        names = ("values.parquet", "findings.json")
        return [f"{folder}/statistics/{model}/{name}" for folder in self.seeds for name in names]

    def ablation_stances(self, model: str) -> list[str]:
        """Return the stance tables of the runs that ablations compare, and of the runs that those start from."""
        trajectories = [entry["trajectory"] for entry in ablated(self.config, model)]
        runs = dict.fromkeys(run for key in ("start_run", "run") for run in (entry[key] for entry in trajectories))
        return [f"{RESULTS}/stances/{model}/{run}.parquet" for run in runs]
