"""The report's answer: per phase what moved, how much, when and how sure, and the matrix of topics and runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from valuedrift.display import Display, Model, Suite
from valuedrift.paper.drift_figures import shown_drift
from valuedrift.paper.drift_tables import DRIFT_COLUMNS, Drifts, index_drift, signed, time_text
from valuedrift.paper.table_files import shown
from valuedrift.report.sections import interval, runs_by_phase, short_title, time_interval
from valuedrift.statistics.panel import ALL
from valuedrift.titles import phases

PHASE_COLUMNS = (
    *DRIFT_COLUMNS, "step_before", "step_reached", "still_moving", "q_value", "real", "noise_floor", "exceeds_noise",
)  # fmt: skip
"""Columns of the drift table that the report reads (see `valuedrift.statistics.measures`)."""

REAL, WITHIN_NOISE, OPEN = "real", "noise", "open"


@dataclass(frozen=True)
class PhaseLine:
    """One run in the answer, as text: the stance that moved most on the mean over topics, and how many topics moved.

    real, beyond: topics where any stance's drift is real, and where such a drift exceeds the noise floor too
    """

    title: str
    run: str
    stance: str
    span: str
    magnitude: str
    interval: str
    mark: str
    when: str
    when_interval: str
    bracket: str
    real: int
    beyond: int
    topics: int
    widest: str


@dataclass(frozen=True)
class Phases:
    """A model's phases in order: (phase, its runs)."""

    model: str
    groups: list[tuple[str, list[PhaseLine]]]


@dataclass(frozen=True)
class Cell:
    """A drift in the matrix, as text. topic: its place, −1 for all; strength: 0 to 10, of its colour; mark: REAL,
    WITHIN_NOISE or OPEN."""

    run: str
    topic: int
    magnitude: str
    time: str
    detail: str
    rose: bool
    strength: int
    mark: str


@dataclass(frozen=True)
class Column:
    """A run at the head of the matrix."""

    title: str
    stance: str


@dataclass(frozen=True)
class Matrix:
    """One model's drifts at a glance, topic × algorithm: heads are (phase, its columns), rows (topic, its cells)."""

    model: str
    title: str
    heads: list[tuple[str, list[Column]]]
    rows: list[tuple[str, list[Cell | None]]]


def phase_lines(drift: pl.DataFrame, display: Display) -> list[Phases]:
    """What to read first, one table per model. drift: with PHASE_COLUMNS."""
    tables = []
    for model in display.measured(drift):
        own = drift.filter(model=model.name)
        groups = [
            (phase, [_phase_line(own.filter(run=run), model.suite, display) for run in runs])
            for phase, runs in runs_by_phase(model.suite, own["run"].unique().to_list())
        ]
        tables.append(Phases(model.title, groups))
    return tables


def matrices(drift: pl.DataFrame, display: Display) -> list[Matrix]:
    """Topic × run of the shown stance's drift (see `shown_drift`), one matrix per model."""
    rows = shown_drift(drift, display)
    reach = max(0.1, max((abs(magnitude) for magnitude in rows["magnitude"]), default=0.0))
    drifts = index_drift(rows)
    return [_matrix(rows.filter(model=model.name), model, drifts, display, reach) for model in display.measured(rows)]


def certainty(row: Mapping[str, Any]) -> str:
    """REAL: its q-value is small and it exceeds the noise floor, where there is one; WITHIN_NOISE: only the first."""
    if not row["real"]:
        return OPEN
    return WITHIN_NOISE if row["exceeds_noise"] is False else REAL


def bracket_text(row: Mapping[str, Any]) -> str:
    """The saved steps between which the extremum's interval was reached."""
    if row["step_reached"] is None:
        return ""
    text = f"between steps {row['step_before']:,} and {row['step_reached']:,} of {row['end_step']:,}"
    return f"{text}; may still be moving" if row["still_moving"] else text


def _phase_line(drift: pl.DataFrame, suite: Suite, display: Display) -> PhaseLine:
    together = drift.filter(pl.col("topic") == ALL)
    single = drift.filter(pl.col("topic") != ALL)
    most = _largest(together if together.height else single)
    widest = _largest(single) if single.height else most
    marks = [(row["topic"], certainty(row)) for row in single.iter_rows(named=True)]
    return PhaseLine(
        title=short_title(suite, most["run"]),
        run=most["run"],
        stance=most["stance"],
        span=f"{most['start_value']:.2f} → {most['end_value']:.2f}",
        magnitude=shown(signed(most["magnitude"])),
        interval=interval(most),
        mark=certainty(most),
        when=time_text(most),
        when_interval=time_interval(most),
        bracket=bracket_text(most),
        real=len({topic for topic, mark in marks if mark != OPEN}),
        beyond=len({topic for topic, mark in marks if mark == REAL}),
        topics=len({topic for topic, _ in marks}),
        widest=f"{display.topic_name(widest['topic'])}: {widest['stance']} {shown(signed(widest['magnitude']))}",
    )


def _largest(drift: pl.DataFrame) -> dict[str, Any]:
    return drift.sort(pl.col("magnitude").abs(), descending=True, maintain_order=True).row(0, named=True)


def _matrix(rows: pl.DataFrame, model: Model, drifts: Drifts, display: Display, reach: float) -> Matrix:
    stances = dict(rows.select("run", "stance").iter_rows())
    starts = {phases(run)[0].data for run in stances if "/" in run}
    groups = runs_by_phase(model.suite, list(stances))
    heads = [
        (phase, [Column(_head(model.suite, run, len(starts) > 1), stances[run]) for run in members])
        for phase, members in groups
    ]
    order = [run for _, members in groups for run in members]
    present = set(rows["topic"])
    lines: list[tuple[str, list[Cell | None]]] = []
    for place, topic in enumerate((ALL, *display.topics), start=-1):
        if topic in present:
            found = [drifts.get((model.name, run, topic, stances[run])) for run in order]
            cells = [None if row is None else _cell(row, place, reach) for row in found]
            lines.append((display.topic_name(topic), cells))
    return Matrix(model.name, model.title, heads, lines)


def _head(suite: Suite, run: str, has_several_starts: bool) -> str:
    """`DPO`, and after which SFT set where there are several."""
    title = short_title(suite, run)
    return title if has_several_starts or "/" not in run else title.partition(" after ")[0]


def _cell(row: Mapping[str, Any], topic: int, reach: float) -> Cell:
    magnitude = row["magnitude"]
    floor = "" if row["noise_floor"] is None else f", noise floor {row['noise_floor']:.2f}"
    return Cell(
        run=row["run"],
        topic=topic,
        magnitude=shown(signed(magnitude)),
        time=f"η {time_text(row)}" if row["time"] is not None else time_text(row),
        detail=(
            f"{row['stance']} {row['start_value']:.2f} to {row['end_value']:.2f}, 95 % interval of M {interval(row)}, "
            f"q = {row['q_value']:.3f}{floor}"
        ),
        rose=magnitude > 0,
        strength=round(10 * abs(magnitude) / reach),
        mark=certainty(row),
    )
