"""The report's answer: per phase what moved, how much, when and how sure, and the matrix of topics and runs."""

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
    """One run in the answer.

    Attributes:
        title: The run, below its phase's heading.
        most: The drift of the stance that moved most on the mean over topics.
        widest: The largest drift on one topic.
        topics: How many topics were measured.
        real: On how many of them a stance's drift is real.
        beyond: On how many such a drift exceeds the noise floor too.
    """

    title: str
    most: Row
    widest: Row
    topics: int
    real: int
    beyond: int


@dataclass(frozen=True)
class Matrix:
    """One model's drifts at a glance, topic × run.

    Attributes:
        model: Its key.
        title: What readers call it.
        reach: The largest magnitude, of all models.
        heads: (phase, (title, stance) of each of its columns).
        rows: (topic's place, −1 for all, its name, its drifts; None where nothing was measured).
    """

    model: str
    title: str
    reach: float
    heads: list[tuple[str, list[tuple[str, str]]]]
    rows: list[tuple[int, str, list[dict[str, Any] | None]]]


def phase_lines(drift: pl.DataFrame, display: Display) -> list[tuple[str, list[tuple[str, list[PhaseLine]]]]]:
    """What to read first: (model, (phase, its runs) in order)."""
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
    """Topic × run of the shown stance's drift (see `shown_drift`), one matrix per model."""
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
        """`DPO`, and after which SFT set where there are several."""
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
