"""The report's main results: which values moved per phase, how much, when and how surely, and a topic × run matrix."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from valuedrift.display import Display, Model, Suite
from valuedrift.paper.drift_figures import moved_most
from valuedrift.paper.drift_tables import index_drift
from valuedrift.report.words import MOVED, WITHIN_NOISE, Row, runs_by_phase, short_title
from valuedrift.statistics.panel import ALL, STANCES
from valuedrift.titles import phases

_TOGETHER = pl.col("topic") == ALL
SPARK = (54, 20)
"""Width and height of a sparkline."""


@dataclass(frozen=True)
class PhaseLine:
    """The results of one run.

    Attributes:
        title: The run's title below the heading of its phase.
        run: The run.
        most: The drift of the stance that moved most, over all topics (see `moved_most`).
        widest: The largest drift on one topic that moved, if any did.
        topics: Number of topics that were measured.
        moved: Number of topics on which a stance moved.
        noisy: Number of further topics on which a stance moved within noise.
    """

    title: str
    run: str
    most: Row
    widest: Row | None
    topics: int
    moved: int
    noisy: int


@dataclass(frozen=True)
class Cell:
    """The drifts of a run on a topic.

    Attributes:
        run: The run.
        stance: The stance that is shown unless another one is chosen.
        drifts: The drift of each stance, in their order; none if nothing was measured.
        sparks: Stance → the path of its values over the run, in a box of the size SPARK from 0 to 1.
        starts_phase: Whether the run is the first of its phase.
    """

    run: str
    stance: str
    drifts: list[Row]
    sparks: dict[str, str]
    starts_phase: bool


@dataclass(frozen=True)
class Matrix:
    """One model's drifts, topic × run.

    Attributes:
        model: The model's key.
        title: The model's title.
        reach: The largest absolute magnitude over all models, at least 0.1.
        heads: (phase, (title, stance that moved most) of each of its columns).
        rows: (key of the topic, its name, its cells).
    """

    model: str
    title: str
    reach: float
    heads: list[tuple[str, list[tuple[str, str]]]]
    rows: list[tuple[str, str, list[Cell]]]


def phase_lines(drift: pl.DataFrame, display: Display) -> list[tuple[str, list[tuple[str, list[PhaseLine]]]]]:
    """Return (model, [(phase, its runs)]) of each model, in the order shown."""
    tables = []
    for model in display.measured(drift):
        own = drift.filter(model=model.name)
        groups = [
            (phase, [_phase_line(own.filter(run=run), model.suite, run) for run in runs])
            for phase, runs in runs_by_phase(model.suite, own["run"].unique().to_list())
        ]
        tables.append((model.name, groups))
    return tables


def matrices(drift: pl.DataFrame, values: pl.DataFrame, display: Display) -> list[Matrix]:
    """Return one matrix per model, topic × run. Of each run, the stance that moved most is shown first."""
    reach = max([0.1, *drift["magnitude"].abs()])
    return [
        _matrix(drift.filter(model=model.name), values.filter(model=model.name), model, display, reach)
        for model in display.measured(drift)
    ]


def leading_runs(drift: pl.DataFrame) -> dict[str, str]:
    """Return model → of its longest lineages the run with the largest |M| of any stance over all topics."""
    size = (pl.col("run").str.count_matches("/"), pl.col("magnitude").abs())
    ranked = drift.filter(_TOGETHER).sort(size, descending=True, maintain_order=True)
    return dict(ranked.unique("model", keep="first", maintain_order=True).select("model", "run").iter_rows())


def _phase_line(drift: pl.DataFrame, suite: Suite, run: str) -> PhaseLine:
    ranked = drift.sort(pl.col("magnitude").abs(), descending=True, maintain_order=True)
    stance = moved_most(drift)[drift["model"][0], run]
    most = ranked.filter(stance=stance).sort(~_TOGETHER, maintain_order=True).row(0, named=True)
    single = ranked.filter(~_TOGETHER)
    widest = single.filter(verdict=MOVED).head(1).to_dicts()
    moved = {*single.filter(verdict=MOVED)["topic"]}
    noisy = {*single.filter(verdict=WITHIN_NOISE)["topic"]} - moved
    topics = single["topic"].n_unique()
    return PhaseLine(short_title(suite, run), run, most, widest[0] if widest else None, topics, len(moved), len(noisy))


def _matrix(drift: pl.DataFrame, values: pl.DataFrame, model: Model, display: Display, reach: float) -> Matrix:
    drifts, sparks, most = index_drift(drift), _sparklines(values), moved_most(drift)
    stances = {run: stance for (_, run), stance in most.items()}
    has_several_starts = len({phases(run)[0].data for run in stances if "/" in run}) > 1
    groups = runs_by_phase(model.suite, list(stances))

    def title(run: str) -> str:
        """Return the run's title, such as `DPO`, with its SFT set if there are several."""
        full = short_title(model.suite, run)
        return full if has_several_starts or "/" not in run else full.partition(" after ")[0]

    def cell(run: str, topic: str, starts_phase: bool) -> Cell:
        found = [drifts.get((model.name, run, topic, stance)) for stance in STANCES]
        paths = {stance: sparks.get((run, topic, stance), "") for stance in STANCES}
        return Cell(run, stances[run], [row for row in found if row is not None], paths, starts_phase)

    heads = [(phase, [(title(run), stances[run]) for run in members]) for phase, members in groups]
    order = [(run, run == members[0]) for _, members in groups for run in members]
    topics = [topic for topic in (ALL, *display.topics) if topic in set(drift["topic"])]
    lines = [(topic, display.topic_name(topic), [cell(run, topic, first) for run, first in order]) for topic in topics]
    return Matrix(model.name, model.title, reach, heads, lines)


def _sparklines(values: pl.DataFrame) -> dict[tuple[str, str, str], str]:
    """Return run, topic, stance → the path of its values from 0 to 1, in a box of the size SPARK."""
    width, height = SPARK
    return {
        (str(run), str(topic), str(stance)): "M"
        + "L".join(
            f"{width * step / max(1, own['step'][-1]):.1f} {height * (1 - value):.1f}"
            for step, value in own.select("step", "value").iter_rows()
        )
        for (run, topic, stance), own in values.sort("step")
        .partition_by("run", "topic", "stance", as_dict=True)
        .items()
    }
