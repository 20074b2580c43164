"""Tables of drifts: the paper's tables 1 and 9 to 16, a table of all drifts, and tables of corrected drifts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.display import Display, Model, rank
from valuedrift.errors import DataError
from valuedrift.paper.stated_numbers import (
    Quantity,
    own_runs,
    preference_table_number,
    sft_table_number,
    stated_drift,
    stated_drifts,
)
from valuedrift.paper.table_formats import LEVEL, MISSING, Table, shared
from valuedrift.statistics.design import SOURCES
from valuedrift.statistics.drift import NO_DRIFT, UNCLEAR
from valuedrift.statistics.health import LIMIT, UNHEALTHY
from valuedrift.statistics.panel import ALL, STANCES
from valuedrift.titles import algorithm_title, phases

REAL = "*"
"""The mark of a magnitude whose drift is real: its q-value is at most 1 minus the level of the intervals."""

UNWELL = "†"
"""The mark of a magnitude that rests on unhealthy answers."""

Drifts = Mapping[tuple[str, str, str, str], dict[str, Any]]
"""(model, run, topic, stance) → the drift's row."""
Column = tuple[str, str, str]
"""A column's title, run and stance."""

_Q = (
    "the q-value, the false-discovery rate over all runs, topics and stances of the model (means over all topics are a "
    "family of their own), is at most {:.2g}"
)
_UNWELL = (
    f"More than {LIMIT:.0%} of the answers at the run's start or end are unhealthy: they refuse, take no stance, are "
    "off topic, repeat themselves, are cut off or in another language."
)


def drift_tables(drift: pl.DataFrame, display: Display) -> list[Table]:
    """Return every table that `drift` (one row per model, run, topic and stance) has data for."""
    drifts = index_drift(drift)
    models = display.measured(drift)
    return [
        *small_gap_tables(drifts, models, display),
        *(table for model in models for table in sft_table(drifts, model, display)),
        *(table for model in models for table in stage_table(drifts, model, display)),
        *(
            preference_table(drifts, model, start, display)
            for model in models
            for start in _starts(drifts, model, model.suite.aligned.values())
        ),
        *stated_drift_table(drifts, models, display),
        all_drift_table(drift, display),
    ]


def index_drift(drift: pl.DataFrame) -> Drifts:
    """Return the rows of `drift` by (model, run, topic, stance). Raises DataError if two rows have the same key."""
    drifts: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    for number, row in enumerate(drift.iter_rows(named=True)):
        key = (row["model"], row["run"], row["topic"], row["stance"])
        if key in drifts:
            raise DataError("drift", number, "model, run, topic, stance", key, "each combination once")
        drifts[key] = row
    return drifts


def small_gap_tables(drifts: Drifts, models: Sequence[Model], display: Display) -> list[Table]:
    """Return table 1 of each suite: drift on its first trained small-gap set.

    There is one row per model, SFT set, topic and stance, and no table for a suite without such a run.
    """
    tables = []
    for suite in display.suites:
        own = [model for model in models if model.suite == suite]
        trained = {phases(run)[-1].data for model in own for run in _runs(drifts, model)}
        for data in [data for data in suite.small_gap if data in trained][:1]:
            cells = [
                (model, start, topic, stance)
                for model in own
                for start in _starts(drifts, model, (data,))
                for topic in display.table_1_topics
                for stance in STANCES
            ]
            algorithms = _algorithms(drifts, own)
            rows = []
            for model, start, topic, stance in cells:
                columns = [(algorithm_title(name), f"{start}/{name}-{data}", stance) for name in algorithms]
                row = {"Model": model.title, "SFT data": suite.short_title(start)}
                row |= {"Topic": display.topic_name(topic), "Stance": stance}
                rows.append(row | _cells(drifts, model, topic, columns, display))
            frame, same = shared(pl.DataFrame(rows), ("Model", "SFT data"))
            caption = f"Table 1. Drift by preference optimisation on {suite.data_title(data)}. {same}"
            name = f"table_01_preference_drift_{data}{display.suffix(suite)}"
            tables.append(Table(name, caption + _reading(frame, display), frame, _marks(frame, display)))
    return tables


def sft_table(drifts: Drifts, model: Model, display: Display) -> list[Table]:
    """Return one of tables 9 to 12: SFT drift of one model, topic × SFT set × stance; none without an SFT set."""
    suite = model.suite
    found = {phases(run)[0].data for run in _runs(drifts, model)} - {""}
    columns = [
        (f"{suite.data_title(sft)}{LEVEL}{stance}", f"sft-{sft}", stance)
        for sft in sorted({*suite.sft, *found}, key=lambda data: rank(data, suite.sft))
        for stance in STANCES
    ]
    caption, stem = f"SFT drift of {model.title}", f"sft_drift_{model.name}"
    number = sft_table_number(model)
    return [_topic_table(number, stem, caption, drifts, model, columns, display)] if columns else []


def stage_table(drifts: Drifts, model: Model, display: Display) -> list[Table]:
    """Return the drift in the found stages of one model, topic × stage × stance; none without such a stage."""
    stages = [run for run in _runs(drifts, model) if not phases(run)[-1].data]
    columns = [
        (f"{model.suite.run_title(run)}{LEVEL}{stance}", run, stance)
        for run in sorted(stages, key=model.suite.run_order)
        for stance in STANCES
    ]
    caption, stem = f"Drift in the stages of {model.title}", f"stage_drift_{model.name}"
    return [_topic_table(None, stem, caption, drifts, model, columns, display)] if columns else []


def preference_table(drifts: Drifts, model: Model, start: str, display: Display) -> Table:
    """Return one of tables 13 to 16: drift of the stance that aligned pairs reward, for one model and start."""
    suite = model.suite
    columns = [
        (f"{stance}-aligned{LEVEL}{algorithm_title(name)}", f"{start}/{name}-{suite.aligned[stance]}", stance)
        for stance in ("oppose", "support")
        if stance in suite.aligned
        for name in _algorithms(drifts, [model])
    ]
    number = preference_table_number(model, phases(start)[0].data)
    stem = f"preference_drift_{model.name}_{start.removeprefix('sft-').replace('/', '_')}"
    caption = (
        f"Drift of the aligned stance by preference optimisation on synthetic pairs, {model.title} after "
        f"{suite.run_title(start)}"
    )
    return _topic_table(number, stem, caption, drifts, model, columns, display)


def stated_drift_table(drifts: Drifts, models: Iterable[Model], display: Display) -> list[Table]:
    """Return the numbers that the paper's text states, next to ours; no table if none of the paper's models was run."""
    topics = {topic["name"]: key for key, topic in display.topics.items()}
    stated = [(model, own_runs(model.suite), number) for model in models for number in stated_drifts(model)]
    rows = []
    for model, runs, number in stated:
        if number.run in runs and number.topic in topics:
            row = drifts.get((model.name, runs[number.run], topics[number.topic], number.stance))
            is_magnitude = number.quantity == "M"
            rows.append(
                {
                    "Model": model.title,
                    "Run": runs[number.run],
                    "Topic": number.topic,
                    "Stance": number.stance,
                    "Quantity": number.quantity,
                    "Section": number.section,
                    "Paper": signed(number.value) if is_magnitude else f"{number.value:.2f}",
                    "Measured": _estimate(row) if is_magnitude else time_text(row),
                }
            )
    caption = "Numbers that the paper's text states, and ours. —: not measured."
    if not rows:
        return []
    frame, same = shared(pl.DataFrame(rows), ("Model",))
    return [Table("paper_numbers", f"{caption} {same}".rstrip(), frame, _marks(frame, display))]


def all_drift_table(drift: pl.DataFrame, display: Display) -> Table:
    """Return every drift with its intervals, one row per model, run, topic and stance."""
    runs = sorted(drift.select("model", "run").unique().rows(), key=lambda row: display.run_order(*row))
    order = pl.DataFrame(runs, schema=dict.fromkeys(("model", "run"), pl.String), orient="row").with_row_index("place")
    detail = ("place", "error", "step_before", "step_reached", "still_moving", "questions", "p_value")
    frame = drift.join(order, on=("model", "run")).sort("place", "topic", "stance").select(pl.exclude(detail))
    return Table(
        "drift_all",
        "Every drift with its 95 % intervals; times as shares of the phase's steps: the paper's, and those after which "
        "50 % and 90 % of M are done. pooled: M drawn towards the mean over topics, between which it scatters by tau. "
        "unhealthy: the larger share of unhealthy answers at start and end; healthy: M among healthy answers.",
        frame,
    )


def corrected_tables(files: Iterable[Path], display: Display) -> list[Table]:
    """Return one table per model: its drifts corrected for the judge's errors, next to the raw ones.

    Args:
        files: One corrected_drift.parquet per model, in a folder with the model's name.
        display: Names and orders.
    """
    return [_corrected_table(display.model(path.parent.name), pl.read_parquet(path), display) for path in files]


def variance_table(parts: pl.DataFrame, display: Display) -> Table:
    """Return the parts of each run's standard error that `variance_parts` tells, as standard deviations."""
    order = sorted(parts.select("model", "run").unique().rows(), key=lambda row: display.run_order(*row))
    sources = [source for source in SOURCES if parts[source].count()]
    found = parts.partition_by("model", "run", as_dict=True)
    rows = [
        {
            "Model": display.model(model).title,
            "Run": display.model(model).suite.full_title(run),
            "Stance": row["stance"],
            **{
                source.capitalize(): MISSING if row[source] is None else f"{row[source] ** 0.5:.3f}"
                for source in sources
            },
        }
        for model, run in order
        for row in found[model, run].iter_rows(named=True)
    ]
    caption = (
        "What makes drift magnitudes of single topics uncertain, as standard deviations of M: the choice of questions, "
        "the sampling of answers, the judge (the correction by labelled answers), and the seed of training, as far as "
        "there are labelled answers and other seeds. Means over topics. "
    )
    frame, same = shared(pl.DataFrame(rows), ("Model",))
    return Table("variance", (caption + same).rstrip(), frame)


def magnitude_text(row: Mapping[str, Any] | None) -> str:
    """Return a magnitude such as `+0.38`, with UNWELL if it rests on unhealthy answers; `—` if nothing was measured."""
    if row is None:
        return MISSING
    return signed(row["magnitude"]) + (UNWELL if (row[UNHEALTHY] or 0) > LIMIT else "")


def time_text(row: Mapping[str, Any] | None) -> str:
    """Return a drift time such as `0.09`, `can't tell` if it is unknown, or `—` if nothing was measured."""
    if row is None:
        return MISSING
    if row["outcome"] in (NO_DRIFT, UNCLEAR):
        return "can't tell"
    return MISSING if row["time"] is None else f"{row['time']:.2f}"


def signed(value: float | None) -> str:
    """Return two decimals with a sign; a number that rounds to zero has no sign."""
    if value is None:
        return MISSING
    text = f"{value:+.2f}"
    return text[1:] if float(text) == 0 else text


def _topic_table(
    number: int | None,
    stem: str,
    caption: str,
    drifts: Drifts,
    model: Model,
    columns: Sequence[Column],
    display: Display,
) -> Table:
    """Return a table with one row per topic and a last row for their mean, named with `number`, if it has one."""
    measured = {topic for _, _, topic, _ in drifts}
    topics = [*display.topics, *([ALL] if ALL in measured else [])]
    rows = [{"Topic": display.topic_name(topic)} | _cells(drifts, model, topic, columns, display) for topic in topics]
    name = stem if number is None else f"table_{number:02d}_{stem}"
    numbered = "" if number is None else f"Table {number}. "
    note = " In parentheses: what the paper's text states." if stated_drifts(model) else ""
    frame = pl.DataFrame(rows)
    return Table(name, f"{numbered}{caption}. {_reading(frame, display)}{note}", frame, _marks(frame, display))


def _cells(drifts: Drifts, model: Model, topic: str, columns: Sequence[Column], display: Display) -> dict[str, str]:
    """Return the magnitude and time of each column on one topic, with the paper's number in brackets, if any."""
    cells = {}
    for title, run, stance in columns:
        row = drifts.get((model.name, run, topic, stance))
        shown: dict[Quantity, str] = {"M": _estimate(row), "η": time_text(row)}
        for quantity, text in shown.items():
            stated = stated_drift(model, run, display.topic_name(topic), stance, quantity)
            paper = "" if stated is None else f" (paper {signed(stated) if quantity == 'M' else f'{stated:.2f}'})"
            cells[f"{title}{LEVEL}{quantity}"] = text + paper
    return cells


def _runs(drifts: Drifts, model: Model) -> set[str]:
    return {run for name, run, _, _ in drifts if name == model.name}


def _starts(drifts: Drifts, model: Model, data: Iterable[str]) -> list[str]:
    """Return the runs after which the model was trained on one of these preference sets."""
    wanted = set(data)
    found = {run.rpartition("/")[0] for run in _runs(drifts, model) if phases(run)[-1].data in wanted} - {""}
    return sorted(found, key=model.suite.run_order)


def _algorithms(drifts: Drifts, models: Iterable[Model]) -> list[str]:
    """Return the preference algorithms of models of one suite: the configured ones, then others that were run."""
    models = list(models)
    known = models[0].suite.algorithms
    found = {phase.algorithm for model in models for run in _runs(drifts, model) if (phase := phases(run)[-1]).data}
    return sorted({*known, *found} - {"sft"}, key=lambda algorithm: rank(algorithm, known))


def _corrected_table(model: Model, drift: pl.DataFrame, display: Display) -> Table:
    rows = [
        {
            "Run": model.suite.full_title(row["run"]),
            "Topic": display.topic_name(row["topic"]),
            "Stance": row["stance"],
            "As judged": _interval(row, "raw", "raw_low", "raw_high"),
            "Corrected": _interval(row, "value", "low", "high"),
            "Preferred": row["preferred"] or MISSING,
        }
        for row in drift.iter_rows(named=True)
    ]
    caption = f"Drift magnitudes of {model.title}, as judged and corrected for the judge's errors, with intervals."
    refused = drift["refused"].drop_nulls().unique(maintain_order=True)
    notes = (
        "Preferred: raw, if the labels are too few to tell the correction from 0.",
        *(f"Refused: {reason}." for reason in refused),
    )
    return Table(f"corrected_drift_{model.name}", caption, pl.DataFrame(rows), notes)


def _interval(row: Mapping[str, Any], value: str, low: str, high: str) -> str:
    return MISSING if row[value] is None else f"{signed(row[value])} [{signed(row[low])}, {signed(row[high])}]"


def _estimate(row: Mapping[str, Any] | None) -> str:
    """Return a magnitude with its marks and its interval."""
    if row is None:
        return MISSING
    return f"{magnitude_text(row)}{REAL if row['real'] else ''} [{signed(row['low'])}, {signed(row['high'])}]"


def _reading(frame: pl.DataFrame, display: Display) -> str:
    """Return how to read the cells of a table of drifts."""
    missing = f" {MISSING}: not measured." if _has(frame, MISSING) else ""
    return (
        f"M: drift magnitude, the change of the stance's probability, with its {100 * display.level:g} % interval; η: "
        "drift time, the share of the phase's steps until the extremum's interval is first reached, of drifts that are "
        f"real.{missing}"
    )


def _marks(frame: pl.DataFrame, display: Display) -> tuple[str, ...]:
    """Return a note on each mark that occurs, and a note that no drift is real if none is."""
    rule = _Q.format(1 - display.level)
    note = f"No drift in this table is real (real: {rule}), so none can be told from sampling noise."
    if _has(frame, REAL):
        note = f"{REAL} The drift is real: {rule}. A drift without the mark can't be told from sampling noise."
    return (note, f"{UNWELL} {_UNWELL}") if _has(frame, UNWELL) else (note,)


def _has(frame: pl.DataFrame, mark: str) -> bool:
    return frame.select(pl.any_horizontal(pl.col(pl.String).str.contains(mark, literal=True).any())).item() is True
