"""The report's main results: which values moved per phase, how much, when and how surely, and a topic × run matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from valuedrift.display import Display, Model, Suite
from valuedrift.paper.drift_figures import shown_drift
from valuedrift.paper.drift_tables import index_drift
from valuedrift.report.words import OPEN, REAL, Row, certainty, runs_by_phase, short_title
from valuedrift.statistics.panel import ALL
from valuedrift.titles import phases

_TOGETHER = pl.col("topic") == ALL


@dataclass(frozen=True)
class PhaseLine:
    """The results of one run.

    Attributes:
        title: The run's title below the heading of its phase.
        most: The drift of the stance that moved most on the mean over topics.
        widest: The largest drift on one topic.
        topics: Number of topics that were measured.
        real: Number of topics on which a stance's drift is real.
        beyond: Number of topics on which such a drift also exceeds the noise floor, if there is one.
    """

    title: str
    most: Row
    widest: Row
    topics: int
    real: int
    beyond: int


@dataclass(frozen=True)
class Matrix:
    """One model's drifts, topic × run.

    Attributes:
        model: The model's key.
        title: The model's title.
        reach: The largest absolute magnitude over all models, at least 0.1.
        heads: (phase, (title, stance) of each of its columns).
        rows: (place of the topic, or −1 for all topics; its name; its drifts, None if not measured).
    """

    model: str
    title: str
    reach: float
    heads: list[tuple[str, list[tuple[str, str]]]]
    rows: list[tuple[int, str, list[dict[str, Any] | None]]]


def phase_lines(drift: pl.DataFrame, display: Display) -> list[tuple[str, list[tuple[str, list[PhaseLine]]]]]:
    """Return (model's title, [(phase, its runs)]) of each model, in the order shown."""
    tables = []
    for model in display.measured(drift):
        own = drift.filter(model=model.name)
        groups = [
            (phase, [_phase_line(own.filter(run=run), model.suite, run) for run in runs])
            for phase, runs in runs_by_phase(model.suite, own["run"].unique().to_list())
        ]
        tables.append((model.title, groups))
    return tables


def matrices(drift: pl.DataFrame, display: Display) -> list[Matrix]:
    """Return one matrix per model, topic × run, of the drift of the shown stance (see `shown_drift`)."""
    rows = shown_drift(drift, display)
    reach = max([0.1, *rows["magnitude"].abs()])
    return [_matrix(rows.filter(model=model.name), model, display, reach) for model in display.measured(rows)]


def _phase_line(drift: pl.DataFrame, suite: Suite, run: str) -> PhaseLine:
    ranked = drift.sort(pl.col("magnitude").abs(), descending=True, maintain_order=True)
    together, single = (list(ranked.filter(which).iter_rows(named=True)) for which in (_TOGETHER, ~_TOGETHER))
    return PhaseLine(
        short_title(suite, run),
        (together or single)[0],
        (single or together)[0],
        topics=len({row["topic"] for row in single}),
        real=len({row["topic"] for row in single if certainty(row) != OPEN}),
        beyond=len({row["topic"] for row in single if certainty(row) == REAL}),
    )


def _matrix(rows: pl.DataFrame, model: Model, display: Display, reach: float) -> Matrix:
    drifts = index_drift(rows)
    stances = dict(rows.select("run", "stance").iter_rows())
    has_several_starts = len({phases(run)[0].data for run in stances if "/" in run}) > 1
    groups = runs_by_phase(model.suite, list(stances))

    def title(run: str) -> str:
        """Return the run's title, such as `DPO`, with its SFT set if there are several."""
        full = short_title(model.suite, run)
        return full if has_several_starts or "/" not in run else full.partition(" after ")[0]

    heads = [(phase, [(title(run), stances[run]) for run in members]) for phase, members in groups]
    order = [run for _, members in groups for run in members]
    lines = [
        (place, display.topic_name(topic), [drifts.get((model.name, run, topic, stances[run])) for run in order])
        for place, topic in enumerate((ALL, *display.topics), start=-1)
        if topic in set(rows["topic"])
    ]
    return Matrix(model.name, model.title, reach, heads, lines)
