"""The paper's table numbers and stated values (stated_numbers.yaml), and which of our models and runs match them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from valuedrift.config.stages import BASE
from valuedrift.display import Model, Suite
from valuedrift.packaged import packaged_yaml
from valuedrift.titles import phases

Quantity = Literal["M", "η"]

WRITTEN = "aligned"
"""The format of pairs that the pipeline wrote in the same way as the paper's authors."""


@dataclass(frozen=True)
class StatedDrift:
    """A drift magnitude (M) or time (η) that the paper's text states; `run` and `topic` are the paper's names."""

    run: str
    topic: str
    stance: str
    quantity: Quantity
    value: float
    section: str


@dataclass(frozen=True)
class Benchmark:
    """A column of table 17: the harness's names of task and metric, and the paper's title."""

    task: str
    metric: str
    title: str


def paper_model(model: Model) -> str | None:
    """Return the paper's name of a model; None if the paper has no such model."""
    return _paper_name("models", model.hub)


def paper_data(suite: Suite, data: str) -> str | None:
    """Return the paper's name of an SFT set; None if the paper has no such set."""
    return _paper_name("data", suite.data[data].hub) if data in suite.data else None


def paper_run(suite: Suite, run: str) -> str | None:
    """Return the run's name in stated_numbers.yaml; None if the run's data aren't the paper's."""
    if run == BASE:
        return BASE
    first, last = phases(run)[0], phases(run)[-1]
    start, stance = paper_data(suite, first.data), suite.rewarded(last.data)
    if start is None or first == last:
        return start
    is_written = last.data in suite.data and suite.data[last.data].format == WRITTEN
    return f"{start}/{last.algorithm}-{stance}" if stance and is_written else None


def stated_drifts(model: Model) -> list[StatedDrift]:
    """Return the drifts of a model that the paper's text states."""
    name = paper_model(model)
    return [
        StatedDrift(row["run"], row["topic"], row["stance"], quantity, row[quantity], row["section"])
        for row in stated()["drift"]
        for quantity in ("M", "η")
        if row["model"] == name and row[quantity] is not None
    ]


def stated_drift(model: Model, run: str, topic: str, stance: str, quantity: Quantity) -> float | None:
    """Return the value that the paper's text states for one cell of our tables, or None; `topic` is a topic's name."""
    own = (paper_run(model.suite, run), topic, stance, quantity)
    found = (each.value for each in stated_drifts(model) if (each.run, each.topic, each.stance, each.quantity) == own)
    return next(found, None)


def own_runs(suite: Suite) -> dict[str, str]:
    """Return run in stated_numbers.yaml → our run on the same data, whether or not the grid has it."""
    pairs = [f"{name}-{data}" for name, data in product(("ppo", "dpo", "simpo"), suite.aligned.values())]
    runs = [BASE, *(f"sft-{sft}{end}" for sft in suite.sft for end in ("", *(f"/{pair}" for pair in pairs)))]
    return {paper: run for run in runs if (paper := paper_run(suite, run))}


def stated_downstream(model: Model) -> dict[str, tuple[float, ...]]:
    """Return our run → its accuracies that the paper states, in the order of `benchmarks`."""
    found: Mapping[str, list[float]] = stated()["downstream"].get(paper_model(model), {})
    runs = own_runs(model.suite)
    return {runs[run]: tuple(accuracies) for run, accuracies in found.items() if run in runs}


def stated_shares(suite: Suite) -> Iterator[tuple[str, str, float]]:
    """Return the stated (our SFT set, stance, share of the set's retrieved rows)."""
    ours = {paper_data(suite, data): data for data in suite.sft}
    return ((ours[row["data"]], row["stance"], row["share"]) for row in stated()["shares"] if row["data"] in ours)


def benchmarks() -> list[Benchmark]:
    return [Benchmark(**row) for row in stated()["benchmarks"]]


def sft_table_number(model: Model) -> int | None:
    return _number("sft_tables", paper_model(model))


def preference_table_number(model: Model, sft: str) -> int | None:
    return _number("preference_tables", [paper_model(model), paper_data(model.suite, sft)])


def stated() -> Any:
    """Return the content of stated_numbers.yaml."""
    return packaged_yaml("valuedrift.paper", "stated_numbers.yaml")


def _paper_name(kind: str, hub: str | None) -> str | None:
    return next((name for name, own in stated()[kind].items() if own == hub), None)


def _number(kind: str, shown: object) -> int | None:
    return next((number for number, own in stated()[kind].items() if own == shown), None)
