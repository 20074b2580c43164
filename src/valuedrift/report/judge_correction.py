"""How the judge agrees with labels of the models' own answers, and the drifts corrected by them, for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from valuedrift.display import Display
from valuedrift.paper import style
from valuedrift.paper.drift_figures import CORRECTED_ORDER, RAW, corrected_panel
from valuedrift.paper.drift_tables import METHODS, signed
from valuedrift.paper.table_files import MISSING, shown
from valuedrift.report.charts import Panel, inline_svg
from valuedrift.statistics.corrected import POWERED
from valuedrift.statistics.labelled_sample import STAGES
from valuedrift.statistics.panel import ALL, STANCES

_STAGES = dict(zip(STAGES, ("Base model", "SFT", "Preference optimisation"), strict=True))
_RUN = ["model", "run"]

Cell = tuple[str, str, str]
"""A drift as text: magnitude, its interval, the values from which and to which it went."""


@dataclass(frozen=True)
class Corrected:
    """The tables of `valuedrift correct`, of all models with a labelled sample."""

    values: pl.DataFrame
    drift: pl.DataFrame
    agreement: pl.DataFrame


@dataclass(frozen=True)
class AgreementLine:
    """The judge on one stage's labelled answers, as text; recalls: of each stance."""

    model: str
    stage: str
    labelled: str
    unlabelled: str
    accuracy: str
    recalls: list[str]


@dataclass(frozen=True)
class CorrectedLine:
    """A run's drift of one stance over all topics; cells: as judged, then by each of METHODS."""

    model: str
    run: str
    origin: str
    stance: str
    cells: list[Cell]


@dataclass(frozen=True)
class Kept:
    """Of `sure` drifts over all topics whose interval lacks 0 as judged, those that a correction could be made of
    and those whose corrected interval lacks 0 on the same side."""

    method: str
    sure: int
    corrected: int
    kept: int


def agreement_lines(agreement: pl.DataFrame, display: Display) -> list[AgreementLine]:
    """One line per model and stage."""
    groups = agreement.partition_by(["model", "stage"], as_dict=True, maintain_order=True)
    return [
        _agreement_line(display.model(str(model)).title, str(stage), rows) for (model, stage), rows in groups.items()
    ]


def corrected_panels(drift: pl.DataFrame, display: Display) -> list[Panel]:
    """A panel for each run, over all topics."""
    together = drift.filter(topic=ALL)
    ends = together.select(pl.max_horizontal(pl.col("raw_low", "raw_high", "low", "high").abs())).to_series().max()
    reach = max(0.1, float(ends) if isinstance(ends, float) else 0.0)
    runs = _runs(together, display)
    several_models = len({model for model, _ in runs}) > 1
    several_starts = len({_start(run) for _, run in runs} - {""}) > 1
    panels = []
    for name, run in runs:
        model = display.model(name)
        whose = f"{model.title}, " if several_models else ""
        start = f", {model.suite.origin_title(run)}" if several_starts and _start(run) else ""
        chart = corrected_panel(together.filter(model=name, run=run), reach).configure(**style.page_config())
        label = f"Drifts as judged and corrected, {model.title}, {model.suite.full_title(run)}"
        panels.append(Panel(f"{whose}{model.suite.run_title(run)}{start}", inline_svg(chart, label)))
    return panels


def corrected_lines(corrected: Corrected, display: Display) -> list[CorrectedLine]:
    """Every run's three stances over all topics, as judged and corrected."""
    drifts = {_key(row): row for row in corrected.drift.filter(topic=ALL).iter_rows(named=True)}
    last = pl.col("step") == pl.col("step").max().over(_RUN)
    values = corrected.values.filter(pl.col("topic") == ALL)
    ends = [
        {_key(row): row for row in values.filter(which).iter_rows(named=True)} for which in (pl.col("step") == 0, last)
    ]
    return [
        CorrectedLine(
            display.model(model).title,
            display.suite(model).run_title(run),
            display.suite(model).origin_title(run),
            stance,
            [
                _cell(name, *(table[model, run, stance, _method(name)] for table in (drifts, *ends)))
                for name in CORRECTED_ORDER
            ],
        )
        for model, run in _runs(corrected.drift, display)
        for stance in STANCES
    ]


def kept_directions(drift: pl.DataFrame) -> list[Kept]:
    """How many drifts over all topics that are sure as judged stay so, by method."""
    together = drift.filter(topic=ALL)
    sure = together.filter((pl.col("raw_low") > 0) | (pl.col("raw_high") < 0))
    stays = pl.when(pl.col("raw") > 0).then(pl.col("low") > 0).otherwise(pl.col("high") < 0)
    parts = {method: sure.filter(method=method) for method in METHODS}
    return [
        Kept(METHODS[method], part.height, part["value"].count(), int(part.select(stays.sum()).item() or 0))
        for method, part in parts.items()
    ]


def refusals(drift: pl.DataFrame) -> list[str]:
    """Why corrections over all topics are missing, each reason once."""
    return drift.filter(topic=ALL)["refused"].drop_nulls().unique(maintain_order=True).to_list()


def _start(run: str) -> str:
    return run.rpartition("/")[0]


def _runs(table: pl.DataFrame, display: Display) -> list[tuple[str, str]]:
    return sorted(set(table.select(_RUN).iter_rows()), key=lambda row: display.run_order(*row))


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (row["model"], row["run"], row["stance"], row["method"])


def _agreement_line(model: str, stage: str, rows: pl.DataFrame) -> AgreementLine:
    found = {(row["measure"], row["stance"]): row for row in rows.iter_rows(named=True)}
    accuracy, unlabelled = found["accuracy", ALL], found["unlabelled", ALL]
    return AgreementLine(
        model,
        _STAGES[stage],
        f"{accuracy['answers']:,}",
        f"{100 * unlabelled['value']:.1f} %",
        _share(accuracy),
        [_share(found["recall", stance]) for stance in STANCES],
    )


def _share(row: Mapping[str, Any]) -> str:
    return MISSING if row["value"] is None else f"{row['value']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def _method(column: str) -> str:
    """A method whose rows have the column; each method's have the raw drift."""
    return POWERED if column == RAW else column


def _cell(column: str, drift: Mapping[str, Any], start: Mapping[str, Any], end: Mapping[str, Any]) -> Cell:
    value, low, high = (RAW, f"{RAW}_low", f"{RAW}_high") if column == RAW else ("value", "low", "high")
    if drift[value] is None:
        return MISSING, "", ""
    span = f"{start[value]:.2f} → {end[value]:.2f}"
    return shown(signed(drift[value])), shown(f"[{signed(drift[low])}, {signed(drift[high])}]"), span
