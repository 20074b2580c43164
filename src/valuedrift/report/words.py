"""Format drifts, estimates and titles of runs for the report; its template calls the functions in WORDS by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from valuedrift.display import Suite
from valuedrift.paper.drift_tables import signed, time_text
from valuedrift.paper.table_formats import MISSING, shown
from valuedrift.statistics.health import LIMIT, UNHEALTHY
from valuedrift.titles import algorithm_title, phases

MOVED, WITHIN_NOISE, LESS, OPEN = "moved", "noise", "less", "open"
VERDICTS = {MOVED: "moved", WITHIN_NOISE: "moved, within noise", LESS: "less than x", OPEN: "can't tell"}
"""Verdict → its words."""

Row = Mapping[str, Any]


def change(value: float | None) -> str:
    """Return a number such as `−0.21`, with a real minus sign."""
    return shown(signed(value))


def small(value: float | None) -> str:
    """Return a number with three decimals; one that would round to zero as `< 0.001`."""
    if value is None:
        return MISSING
    return "< 0.001" if value < 0.0005 else f"{value:.3f}"


def span(row: Row) -> str:
    """Return the values at the start and the end of a drift, such as `0.31 → 0.52`."""
    return f"{row['start_value']:.2f} → {row['end_value']:.2f}"


def interval(row: Row, low: str = "low", high: str = "high") -> str:
    """Return the 95 % interval of a drift's magnitude."""
    return shown(f"[{signed(row[low])}, {signed(row[high])}]")


def crossed(row: Row, name: str) -> str:
    """Return when a share of the drift was done, such as `0.07 [0.04, 0.12]`, for `t50` or `t90`; empty if unknown."""
    numbers = [row[f"{name}{end}"] for end in ("", "_low", "_high")]
    return "" if None in numbers else "{:.2f} [{:.2f}, {:.2f}]".format(*numbers)


def pooled(row: Row) -> str:
    """Return the drift drawn towards the mean over topics with its interval; a dash if there is none."""
    return _estimated(row, "pooled", "pooled_low", "pooled_high")


def bracket(row: Row) -> str:
    """Return the saved steps between which the extremum's interval was reached; empty if it wasn't."""
    if row["step_reached"] is None:
        return ""
    text = f"between steps {row['step_before']:,} and {row['step_reached']:,} of {row['end_step']:,}"
    return f"{text}; may still be moving" if row["still_moving"] else text


def with_verdicts(drift: pl.DataFrame, small: float) -> pl.DataFrame:
    """Add the columns `verdict` and `bound`.

    The verdict is MOVED if a drift is real and exceeds its noise floor, if it has one; WITHIN_NOISE if it is real but
    doesn't exceed the floor; LESS if it isn't real, and its interval excludes changes of `small` and more; OPEN
    otherwise. `bound` is the largest change that the interval includes.
    """
    bound = pl.max_horizontal(pl.col("low", "high").abs())
    unreal = pl.when(bound < small).then(pl.lit(LESS)).otherwise(pl.lit(OPEN))
    real = pl.when(pl.col("exceeds_noise") == False).then(pl.lit(WITHIN_NOISE)).otherwise(pl.lit(MOVED))  # noqa: E712
    return drift.with_columns(bound=bound, verdict=pl.when("real").then(real).otherwise(unreal))


def verdict(row: Row) -> str:
    """Return a drift's verdict in words; see `with_verdicts`."""
    return less_than(row["bound"]) if row["verdict"] == LESS else VERDICTS[row["verdict"]]


def less_than(bound: float) -> str:
    """Return `less than 0.03`, with the bound rounded up."""
    return f"less than {math.ceil(round(100 * bound, 6)) / 100:.2f}"


def ill(row: Row) -> str:
    """Return the share of unhealthy answers that a drift rests on, such as `21 % unhealthy`; empty if it doesn't."""
    return f"{100 * row[UNHEALTHY]:.0f} % unhealthy" if (row[UNHEALTHY] or 0) > LIMIT else ""


def among_healthy(row: Row) -> str:
    """Return the drift among healthy answers with its interval; a dash if there is none."""
    return _estimated(row, "healthy_magnitude", "healthy_low", "healthy_high")


def estimate(row: Row, form: str = "{:.2f}") -> str:
    """Return an estimate such as `0.88 [0.80, 0.90]`; missing ends are dashes, and a missing value is one dash."""
    texts = [MISSING if row[key] is None else form.format(row[key]) for key in ("value", "low", "high")]
    return MISSING if row["value"] is None else "{} [{}, {}]".format(*texts)


def phase_title(suite: Suite, run: str) -> str:
    """Return the heading above a run: SFT, its preference data, or a found stage."""
    last = phases(run)[-1]
    if last.algorithm == "sft":
        return "Supervised fine-tuning"
    if not last.data:
        return algorithm_title(last.algorithm)
    return f"Preference optimisation on {suite.data_title(last.data)}"


def short_title(suite: Suite, run: str) -> str:
    """Return a run's title below its phase's heading: `DPO after ‹SFT set›`, an SFT run's data, or a found stage."""
    start = run.rpartition("/")[0]
    if not start:
        return suite.short_title(run)
    return f"{algorithm_title(phases(run)[-1].algorithm)} after {suite.short_title(start)}"


def runs_by_phase(suite: Suite, runs: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return (phase, its runs), in the order in which runs are shown."""
    groups: dict[str, list[str]] = {}
    for run in sorted(runs, key=suite.run_order):
        groups.setdefault(phase_title(suite, run), []).append(run)
    return list(groups.items())


def _estimated(row: Row, value: str, low: str, high: str) -> str:
    return MISSING if row[value] is None else shown(f"{signed(row[value])} [{signed(row[low])}, {signed(row[high])}]")


WORDS = {
    word.__name__: word
    for word in (
        *(change, span, interval, pooled, time_text, crossed, bracket),
        *(verdict, less_than, estimate, ill, among_healthy),
    )
}
"""The functions that the template calls, by name."""
