"""Titles, order and roles of models, data sets and topics, from the configuration.

Tables, figures, report and exports use only this module for the titles and order of models, data sets and topics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from valuedrift.config.stages import BASE
from valuedrift.errors import DataError
from valuedrift.statistics.panel import ALL
from valuedrift.titles import algorithm_title, phases

Topics = Mapping[str, Mapping[str, str]]
"""Topic key → {name, target, value}, in the configuration's order."""

ALIGNED = ("support", "oppose")
"""The stances that a suite may have an aligned preference set for."""


@dataclass(frozen=True)
class DataSet:
    """A data set of a suite.

    Attributes:
        title: The title that is shown.
        format: The configuration's `format`; `aligned` for pairs that the pipeline wrote.
        hub: The data set's name on the hub; None if it isn't from there.
    """

    title: str
    format: str
    hub: str | None = None


@dataclass(frozen=True)
class Suite:
    """The data sets of a suite and their roles.

    Attributes:
        name: The suite's key in the configuration.
        judges: The keys of its judges.
        probes: The `source` of its probe set.
        data: Key → data set.
        sft: SFT sets, in order.
        starts: SFT sets whose runs are the start of preference runs, in order.
        preference: Preference sets, in order.
        algorithms: Algorithms of the preference runs, in order.
        small_gap: Preference sets with a small value gap, in order.
        aligned: Stance → the preference set that rewards it, if there is one.
    """

    name: str
    judges: tuple[str, ...]
    probes: str
    data: Mapping[str, DataSet]
    sft: tuple[str, ...]
    starts: tuple[str, ...]
    preference: tuple[str, ...]
    algorithms: tuple[str, ...]
    small_gap: tuple[str, ...]
    aligned: Mapping[str, str]

    def rewarded(self, data: str) -> str | None:
        """Return the stance that a preference set rewards on purpose (paper section 6.1); None for other data."""
        return next((stance for stance, name in self.aligned.items() if name == data), None)

    def data_title(self, data: str) -> str:
        return self.data[data].title if data in self.data else data

    def run_title(self, run: str) -> str:
        """Return the title of the run's own phase, such as `DPO on ‹data›` or a found stage's, without its start."""
        last = phases(run)[-1]
        title = algorithm_title(last.algorithm)
        return f"{title} on {self.data_title(last.data)}" if last.data else title

    def origin_title(self, run: str) -> str:
        """Return the start of a run in words: `after SFT on ‹data›`, or `from the base model`.

        It is empty for a found stage that begins a lineage, because there may be no base model.
        """
        earlier = run.rpartition("/")[0]
        if earlier:
            return f"after {self.run_title(earlier)}"
        return "from the base model" if phases(run)[0].data else ""

    def full_title(self, run: str) -> str:
        """Return the run's title with its start, such as `DPO on ‹data›, after SFT on ‹data›`."""
        return ", ".join(filter(None, [self.run_title(run), self.origin_title(run)]))

    def short_title(self, run: str) -> str:
        """Return `run_title`, but of an SFT run only its data set's title."""
        last = phases(run)[-1]
        return self.data_title(last.data) if last.data and last.algorithm == "sft" else self.run_title(run)

    def answers_title(self, run: str) -> str:
        """Return the title of the model that answers at the end of a run: as `full_title`, but for the base model."""
        return "Base model" if run == BASE else self.full_title(run)

    def run_order(self, run: str) -> tuple[Any, ...]:
        """Return a sort key for runs: the base model, then by length of the lineage, data, SFT set and algorithm."""
        if run == BASE:
            return ()
        lineage = phases(run)
        first, last = lineage[0], lineage[-1]
        data = rank(last.data, self.sft if len(lineage) == 1 else self.preference)
        return (len(lineage), data, rank(first.data, self.sft), rank(last.algorithm, self.algorithms), run)


@dataclass(frozen=True)
class Model:
    """A reported model.

    Attributes:
        hub: Its name on the hub; None if it isn't from there.
        tokens: Found stage → tokens per step, of stages that are shown by tokens.
    """

    name: str
    title: str
    hub: str | None
    suite: Suite
    tokens: Mapping[str, float] = field(default_factory=dict)

    def tokens_per_step(self, run: str) -> float | None:
        """Return the tokens per step of a run that is shown by tokens; None for runs that are shown by steps."""
        return self.tokens.get(run.rpartition("/")[2])


@dataclass(frozen=True)
class Display:
    """What is shown, with titles and order.

    Attributes:
        models: Key → model, in the order of `report.models`.
        topics: Key → texts, in the configuration's order.
        table_1_topics: Topics of table 1.
        sample_topics: Topics of tables 5 to 7; if empty, the first topics are used.
        figure_topics: Figure, such as `figure_3`, → its topic; other figures show the first topic.
        ablation_topics: Topics of figures 15 to 17.
        figure_formats: File formats in which each figure is written.
        figure_columns: Largest number of panels per row in a figure of trajectories.
        bands: `pointwise` or `simultaneous`, the bands of trajectories.
        level: The level of all intervals.
    """

    models: Mapping[str, Model]
    topics: Topics
    table_1_topics: Sequence[str] = ()
    sample_topics: Sequence[str] = ()
    figure_topics: Mapping[str, str] = field(default_factory=dict)
    ablation_topics: Sequence[str] = ()
    figure_formats: Sequence[str] = ("svg",)
    figure_columns: int = 3
    bands: str = "pointwise"
    level: float = 0.95

    @classmethod
    def read(cls, settings: Mapping[str, Any]) -> Display:
        """Return the Display for the result of `display_settings`."""
        suites = {name: _read_suite(name, suite) for name, suite in settings["suites"].items()}
        models = {
            name: Model(name, model["title"], model["hub"], suites[model["suite"]], model.get("tokens", {}))
            for name, model in settings["models"].items()
        }
        return cls(models, settings["topics"], level=settings["level"], **settings["report"])

    @property
    def suites(self) -> list[Suite]:
        """The suites of the models, each once, in the order of the models."""
        return list({model.suite.name: model.suite for model in self.models.values()}.values())

    def model(self, name: str) -> Model:
        """Return the model of that name. Raises DataError for a model that isn't reported."""
        if name not in self.models:
            raise DataError("statistics", None, "model", name, f"one of {', '.join(self.models)}")
        return self.models[name]

    def suite(self, model: str) -> Suite:
        return self.model(model).suite

    def measured(self, table: pl.DataFrame) -> list[Model]:
        """Return the models that have rows in a table, in the order of the models."""
        return sorted(map(self.model, table["model"].unique()), key=lambda model: rank(model.name, self.models))

    def run_order(self, model: str, run: str) -> tuple[Any, ...]:
        """Return a sort key for runs of several models."""
        return (rank(model, self.models), self.suite(model).run_order(run))

    def topic_name(self, topic: str) -> str:
        """Return the topic's name. Raises DataError for a topic that the configuration lacks."""
        if topic not in (*self.topics, ALL):
            raise DataError("results", None, "topic", topic, f"one of {', '.join(self.topics)} or '{ALL}'")
        return "All topics" if topic == ALL else self.topics[topic]["name"]

    @property
    def bands_text(self) -> str:
        """The level and kind of the bands in words."""
        return f"{100 * self.level:g} % bands, {self.bands}"

    def banded(self, values: pl.DataFrame) -> pl.DataFrame:
        """Return a table of values with the ends of the chosen bands as `low` and `high`."""
        return values.with_columns(low="band_low", high="band_high") if self.bands == "simultaneous" else values

    def suffix(self, suite: Suite) -> str:
        """Return the end of the names of a suite's files, such as `_‹suite›`; empty if there is only one suite."""
        return f"_{suite.name}" if len(self.suites) > 1 else ""

    def of_suite(self, suite: Suite) -> str:
        """Return `of suite ‹suite›`; empty if there is only one suite."""
        return f"of suite {suite.name}" if len(self.suites) > 1 else ""


def display_settings(config: Mapping[str, Any], models: Sequence[str], *report: str) -> dict[str, Any]:
    """Return the part of the configuration that `Display.read` needs, as a mapping whose order is significant.

    Args:
        config: The whole configuration.
        models: The models to show, in order.
        report: Keys of the configuration's `report` that the output depends on.
    """
    suites = dict.fromkeys(config["models"][model]["suite"] for model in models)
    return {
        "models": {name: _model_settings(name, config["models"][name]) for name in models},
        "suites": {name: suite_settings(config["suites"][name]) for name in suites},
        "topics": {
            key: {text: topic[text] for text in ("name", "target", "value")} for key, topic in config["topics"].items()
        },
        "level": config["statistics"]["level"],
        "report": {key: config["report"][key] for key in report if config["report"].get(key) is not None},
    }


def suite_settings(suite: Mapping[str, Any]) -> dict[str, Any]:
    """Return a suite's judge, the source of its probes, its data sets and their roles."""
    grid = suite["grid"]
    blocks = grid["preference"]
    return {
        "judge": suite["judge"],
        "probes": suite["probes"]["source"],
        "data": {
            key: {"title": data["title"], "format": data["format"], "hub": _hub(data)}
            for key, data in suite["data"].items()
        },
        "sft": list(grid["sft"]),
        "starts": _in_order(grid["sft"], (name for block in blocks for name in block["sft"])),
        "preference": _each_once(name for block in blocks for name in block["data"]),
        "algorithms": _each_once(name for block in blocks for name in block["algorithms"]),
        "small_gap": list(grid.get("small_gap") or ()),
        "aligned": {stance: data for stance in ALIGNED if (data := grid.get(f"{stance}_aligned"))},
    }


def rank(name: str, known: Iterable[str]) -> tuple[int, str]:
    """Return a sort key: the names in `known` in its order, then others by name."""
    known = list(known)
    return (known.index(name), "") if name in known else (len(known), name)


def _read_suite(name: str, suite: Mapping[str, Any]) -> Suite:
    data = {key: DataSet(**entry) for key, entry in suite["data"].items()}
    orders = {key: tuple(suite[key]) for key in ("sft", "starts", "preference", "algorithms", "small_gap")}
    judges = [suite["judge"]] if isinstance(suite["judge"], str) else suite["judge"]
    return Suite(name, tuple(judges), suite["probes"], data, **orders, aligned=suite["aligned"])


def _model_settings(name: str, model: Mapping[str, Any]) -> dict[str, Any]:
    stages = model.get("stages", {}).items()
    tokens = {key: stage["tokens_per_step"] for key, stage in stages if "tokens_per_step" in stage}
    shown = {"title": model.get("title") or name, "hub": _hub(model), "suite": model["suite"]}
    return {**shown, "tokens": tokens} if tokens else shown


def _hub(entry: Mapping[str, Any]) -> str | None:
    hub = entry.get("hub")
    return hub["name"] if hub else None


def _each_once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _in_order(known: Sequence[str], found: Iterable[str]) -> list[str]:
    present = set(found)
    return [name for name in known if name in present]
