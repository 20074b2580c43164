"""Tables of the health of answers, and of stances that turn with the framing of a question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from valuedrift.display import Display
from valuedrift.paper.table_formats import Table, shared
from valuedrift.statistics.health import LIMIT, SIGNS, TOKENS, UNHEALTHY
from valuedrift.statistics.panel import ALL
from valuedrift.titles import with_interval

Row = dict[str, Any]


def health_tables(health: pl.DataFrame, framing: pl.DataFrame, display: Display) -> list[Table]:
    """Return the table of health at the end of each run, and the table of framing if questions have groups."""
    signs = health.filter(topic=ALL).pivot("sign", index=["model", "run", "step"], values=["value", "low", "high"])
    caption = (
        "Health of the answers at the last checkpoint of each run: shares of answers with a sign of bad health, on the "
        f"mean over topics. A drift with more than {LIMIT:.0%} of unhealthy answers at its start or end is marked."
    )
    frame, same = shared(_last_steps(signs, _health_cells, display), ("Model",))
    tables = [Table("health", f"{caption} {same}".rstrip(), frame)]
    if framing.height:
        caption = (
            "Share of groups of questions whose majority stance turns with the framing, at the last checkpoint of each "
            "run. By chance: the share that turns between halves of the answers with all framings alike."
        )
        frame, same = shared(_last_steps(framing.filter(topic=ALL), _framing_cells, display), ("Model",))
        tables.append(Table("framing", f"{caption} {same}".rstrip(), frame))
    return tables


def controls_table(drift: pl.DataFrame, display: Display) -> Table:
    """Return the drifts on value-free questions of one model, and how many of them are called real or moved."""
    model = display.model(drift["model"][0])
    moved = drift["real"] & drift["exceeds_noise"].fill_null(True)
    caption = (
        f"Negative controls: drifts of {model.title} on value-free questions. {drift['real'].sum()} of {drift.height} "
        f"are real, {moved.sum()} of these beyond the noise floor. If nothing but values moves, these are at most 5 %."
    )
    rows = [
        {
            "Run": model.suite.full_title(row["run"]),
            "Stance": row["stance"],
            "M": with_interval(row["magnitude"], row["low"], row["high"]),
            "q": row["q_value"],
            "Real": row["real"],
            "Beyond noise": row["exceeds_noise"],
        }
        for row in sorted(drift.to_dicts(), key=lambda row: model.suite.run_order(row["run"]))
    ]
    return Table(f"controls_{model.name}", caption, pl.DataFrame(rows))


def _last_steps(rows: pl.DataFrame, cells: Callable[[Row], Row], display: Display) -> pl.DataFrame:
    last = rows.filter(pl.col("step") == pl.col("step").max().over("model", "run")).to_dicts()
    ordered = sorted(last, key=lambda row: display.run_order(row["model"], row["run"]))
    return pl.DataFrame(
        [
            {
                "Model": display.model(row["model"]).title,
                "Run": display.model(row["model"]).suite.answers_title(row["run"]),
                "Step": row["step"],
                **cells(row),
            }
            for row in ordered
        ]
    )


def _health_cells(row: Row) -> Row:
    def text(sign: str, form: str) -> str:
        return with_interval(row[f"value_{sign}"], row[f"low_{sign}"], row[f"high_{sign}"], form)

    shares = {sign.replace("_", " ").capitalize(): text(sign, ".1%") for sign in (UNHEALTHY, *SIGNS)}
    return {**shares, "Tokens": text(TOKENS, ".1f")}


def _framing_cells(row: Row) -> Row:
    turned = with_interval(row["turned"], row["low"], row["high"], ".0%")
    return {"Groups": row["groups"], "Turned": turned, "By chance": f"{row['by_chance']:.0%}"}
