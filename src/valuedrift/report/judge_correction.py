"""The report's data on the judge's agreement with labels of the models' answers, and on the corrected drifts."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from valuedrift.display import Display
from valuedrift.paper import style
from valuedrift.paper.drift_figures import corrected_panel
from valuedrift.report.charts import Panel, inline_svg
from valuedrift.report.words import Row
from valuedrift.statistics.corrected import RAW
from valuedrift.statistics.labelled_sample import STAGES
from valuedrift.statistics.panel import ALL, STANCES

_STAGES = dict(zip(STAGES, ("Base model", "SFT", "Preference optimisation"), strict=True))
_KEY = ["model", "run", "stance"]


@dataclass(frozen=True)
class Corrected:
    """The tables that `valuedrift correct` writes, of all models with a labelled sample."""

    values: pl.DataFrame
    drift: pl.DataFrame
    agreement: pl.DataFrame


def agreement_lines(agreement: pl.DataFrame, display: Display) -> list[tuple[str, str, dict[tuple[str, str], Row]]]:
    """Return per model and stage: the titles of both, and (measure, stance) → the judge's agreement with the labels."""
    groups = agreement.partition_by(["model", "stage"], as_dict=True, maintain_order=True)
    return [
        (display.model(model).title, _STAGES[stage], {(row["measure"], row["stance"]): row for row in rows.to_dicts()})
        for (model, stage), rows in groups.items()
    ]


def corrected_panels(drift: pl.DataFrame, display: Display) -> list[Panel]:
    """Draw one panel per run, of its drifts over all topics."""
    together = drift.filter(topic=ALL)
    ends = together.select(pl.col("raw_low", "raw_high", "low", "high").abs().max()).row(0)
    reach = max(0.1, *(end or 0.0 for end in ends))
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


def corrected_drifts(corrected: Corrected, display: Display) -> list[tuple[str, str, str, list[Row], str | None]]:
    """Return per model, run and stance the drift over all topics, as judged and corrected, and which is preferred.

    A drift is {magnitude, low, high, start_value, end_value}. The magnitude is None if there is no correction.
    """
    values = corrected.values.filter(topic=ALL).sort("step").group_by(_KEY)
    ends = (pl.first("raw", "value").name.prefix("start_"), pl.last("raw", "value").name.prefix("end_"))
    rows = corrected.drift.filter(topic=ALL).join(values.agg(*ends), on=_KEY).to_dicts()
    found = {tuple(row[key] for key in _KEY): row for row in rows}
    keys = [(model, run, stance) for model, run in _runs(corrected.drift, display) for stance in STANCES]
    return [(*key, [_estimate(found[key], way) for way in (RAW, "value")], found[key]["preferred"]) for key in keys]


def kept_directions(drift: pl.DataFrame) -> dict[str, int]:
    """Count the drifts over all topics that keep their direction when they are corrected.

    Returns:
        `drifts`; `sure`, the number of drifts whose interval as judged doesn't include 0; `corrected`, how many of them
        could be corrected; `kept`, how many have a corrected interval on the same side of 0; and `raw`, for how many of
        all drifts the raw number is preferred.
    """
    together = drift.filter(topic=ALL)
    sure = together.filter((pl.col("raw_low") > 0) | (pl.col("raw_high") < 0))
    stays = pl.when(pl.col("raw") > 0).then(pl.col("low") > 0).otherwise(pl.col("high") < 0)
    counts = sure.select(sure=pl.len(), corrected=pl.count("value"), kept=stays.sum()).row(0, named=True)
    return {**counts, "drifts": together.height, "raw": together.filter(preferred=RAW).height}


def refusals(drift: pl.DataFrame) -> list[str]:
    """Return the reasons why corrections over all topics are missing, each once."""
    return drift.filter(topic=ALL)["refused"].drop_nulls().unique(maintain_order=True).to_list()


def _start(run: str) -> str:
    return run.rpartition("/")[0]


def _runs(table: pl.DataFrame, display: Display) -> list[tuple[str, str]]:
    return sorted(set(table.select("model", "run").iter_rows()), key=lambda row: display.run_order(*row))


def _estimate(row: Row, which: str) -> Row:
    """Return the numbers of a drift as judged (`which` is RAW) or as corrected ("value")."""
    low, high = (f"{RAW}_low", f"{RAW}_high") if which == RAW else ("low", "high")
    ends = {f"{end}_value": row[f"{end}_{which}"] for end in ("start", "end")}
    return {"magnitude": row[which], "low": row[low], "high": row[high], **ends}
