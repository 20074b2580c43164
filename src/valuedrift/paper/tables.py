"""The paper's tables of drifts, by its numbers: 1, 9 to 12, 13 to 16, and a tidy table of all drifts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from valuedrift.errors import DataError
from valuedrift.paper.display_order import (
    ALGORITHMS,
    SFT_DATA,
    Topics,
    ordered,
    require_columns,
    require_topics,
    run_order,
    topic_name,
)
from valuedrift.paper.paper_numbers import PAPER_NUMBERS, PREFERENCE_TABLES, SFT_TABLES, Quantity, paper_number
from valuedrift.paper.table_files import LEVEL, MISSING, Table
from valuedrift.statistics.panel import ALL, STANCES
from valuedrift.titles import algorithm_title, data_title, model_title, phases

DRIFT_COLUMNS = (
    "model",
    "run",
    "algorithm",
    "data",
    "sft",
    "topic",
    "stance",
    "start_value",
    "end_value",
    "magnitude",
    "low",
    "high",
    "time",
    "time_low",
    "time_high",
    "outcome",
    "end_step",
    "q_value",
    "real",
    "noise_floor",
    "exceeds_noise",
)

SYNTHETIC = ("synthetic-support", "synthetic-oppose")

REAL = "*"
"""Marks a magnitude whose drift is real: its q-value is at most 1 less the level of the intervals."""

Drifts = Mapping[tuple[str, str, str, str], dict[str, Any]]
"""(model, run, topic, stance) → the drift's row."""

_READING = (
    "M: drift magnitude, the change of the stance's probability; η: drift time, the share of the phase's steps until "
    "the extremum's interval is first reached. —: not measured."
)
_MARKS = (
    f"{REAL} The drift is real: its q-value, the false-discovery rate over all runs, topics and stances of the model "
    "(means over all topics are a family of their own), is at most 0.05 (in general 1 − statistics.level). A drift "
    "without the mark can't be told from sampling noise."
)


def paper_tables(drift: pl.DataFrame, topics: Topics, table_1_topics: Sequence[str] | None = None) -> list[Table]:
    """Every table that `drift` (one row a model, run, topic and stance) has something for.

    `table_1_topics`: topic keys of table 1; by default immigration, climate and the next one of `topics` that is
    not abortion, which the paper shows as a figure.
    """
    require_columns(drift, "drift", DRIFT_COLUMNS)
    require_topics(drift, "drift", topics)
    drifts = index_drift(drift)
    chosen = _default_topics(topics) if table_1_topics is None else table_1_topics
    models = drift["model"].unique().sort().to_list()
    pairs = [(model, sft) for model in models for sft in _sft_sets(drifts, model, SYNTHETIC)]
    return [
        *standard_preference_table(drifts, topics, chosen),
        *(sft_table(drifts, model, topics) for model in models),
        *(preference_table(drifts, model, sft, topics) for model, sft in pairs),
        *stated_numbers_table(drifts, topics),
        all_drift_table(drift),
    ]


def index_drift(drift: pl.DataFrame) -> Drifts:
    """The rows of `drift` by (model, run, topic, stance). Raises DataError where two rows share a key."""
    drifts: dict[tuple[str, str, str, str], dict[str, Any]] = {}
    for number, row in enumerate(drift.iter_rows(named=True)):
        key = (row["model"], row["run"], row["topic"], row["stance"])
        if key in drifts:
            raise DataError("drift", number, "model, run, topic, stance", key, "each combination once")
        drifts[key] = row
    return drifts


def standard_preference_table(drifts: Drifts, topics: Topics, chosen: Sequence[str]) -> list[Table]:
    """Table 1: drift on UltraFeedback, a row for each model, SFT set, topic and stance; none without such runs."""
    rows = [
        _standard_row(drifts, topics, (model, sft, topic, stance))
        for model in sorted({key[0] for key in drifts})
        for sft in _sft_sets(drifts, model, ("ultrafeedback",))
        for topic in chosen
        for stance in STANCES
    ]
    caption = f"Table 1. Drift by preference optimisation on UltraFeedback. {_READING}"
    return [Table("table_01_preference_drift_ultrafeedback", caption, pl.DataFrame(rows), (_MARKS,))] if rows else []


def sft_table(drifts: Drifts, model: str, topics: Topics) -> Table:
    """Tables 9 to 12: SFT drift of one model, topic × SFT set × stance."""
    sets = ordered((phases(run)[0].data for name, run, _, _ in drifts if name == model), SFT_DATA)

    def cells(topic: str) -> dict[str, str]:
        row: dict[str, str] = {}
        for sft in sets:
            for stance in STANCES:
                key = (model, f"sft-{sft}", topic, stance)
                row |= _pair(drifts, key, f"{data_title(sft)}{LEVEL}{stance}")
        return row

    number = SFT_TABLES.get(model)
    name = f"sft_drift_{model}" if number is None else f"table_{number:02d}_sft_drift_{model}"
    caption = f"{_numbered(number)}SFT drift of {model_title(model)}. {_READING}{_paper_note(model)}"
    return Table(name, caption, _by_topic(drifts, topics, cells), (_MARKS,))


def preference_table(drifts: Drifts, model: str, sft: str, topics: Topics) -> Table:
    """Tables 13 to 16: drift of the aligned stance on the synthetic pairs, for one model and SFT set."""
    algorithms = _algorithms(drifts)

    def cells(topic: str) -> dict[str, str]:
        row: dict[str, str] = {}
        for stance in ("oppose", "support"):
            for algorithm in algorithms:
                key = (model, f"sft-{sft}/{algorithm}-synthetic-{stance}", topic, stance)
                row |= _pair(drifts, key, f"{stance}-aligned{LEVEL}{algorithm_title(algorithm)}")
        return row

    number = PREFERENCE_TABLES.get((model, sft))
    stem = f"preference_drift_{model}_{sft}"
    caption = (
        f"{_numbered(number)}Drift of the aligned stance by preference optimisation on synthetic pairs, "
        f"{model_title(model)} after SFT on {data_title(sft)}. {_READING}{_paper_note(model)}"
    )
    name = stem if number is None else f"table_{number}_{stem}"
    return Table(name, caption, _by_topic(drifts, topics, cells), (_MARKS,))


def stated_numbers_table(drifts: Drifts, topics: Topics) -> list[Table]:
    """The numbers of the paper's text beside ours, for models that were run; nothing where none was."""
    models = {key[0] for key in drifts}
    rows = []
    for number in PAPER_NUMBERS:
        if number.model in models and number.topic in topics:
            row = drifts.get((number.model, number.run, number.topic, number.stance))
            is_magnitude = number.quantity == "M"
            rows.append(
                {
                    "Model": model_title(number.model),
                    "Run": number.run,
                    "Topic": topic_name(topics, number.topic),
                    "Stance": number.stance,
                    "Quantity": number.quantity,
                    "Section": number.section,
                    "Paper": signed(number.value) if is_magnitude else f"{number.value:.2f}",
                    "Measured": magnitude_text(row) if is_magnitude else time_text(row),
                }
            )
    caption = "Numbers that the paper's text states, and ours. —: not measured."
    return [Table("paper_numbers", caption, pl.DataFrame(rows))] if rows else []


def all_drift_table(drift: pl.DataFrame) -> Table:
    """Every drift with its intervals, one row a model, run, topic and stance."""
    order = {run: place for place, run in enumerate(sorted(drift["run"].unique(), key=run_order))}
    frame = drift.select(DRIFT_COLUMNS).sort(
        pl.col("model"),
        pl.col("run").replace_strict(order, return_dtype=pl.Int64),
        pl.col("topic"),
        pl.col("stance"),
    )
    return Table("drift_all", "Every drift with its 95 % intervals; times as shares of the phase's steps.", frame)


def magnitude_text(row: Mapping[str, Any] | None) -> str:
    """`+0.38`, or `—` where nothing was measured."""
    return MISSING if row is None else signed(row["magnitude"])


def time_text(row: Mapping[str, Any] | None) -> str:
    """`0.09`, `no drift`, or `—` where nothing was measured."""
    if row is None:
        return MISSING
    if row["outcome"] == "no_drift":
        return "no drift"
    return MISSING if row["time"] is None else f"{row['time']:.2f}"


def signed(value: float | None) -> str:
    """Two decimals with a sign, which a rounded zero doesn't get."""
    if value is None:
        return MISSING
    text = f"{value:+.2f}"
    return text[1:] if float(text) == 0 else text


def _standard_row(drifts: Drifts, topics: Topics, cell: tuple[str, str, str, str]) -> dict[str, str]:
    model, sft, topic, stance = cell
    row = {"Model": model_title(model), "SFT data": data_title(sft)}
    row |= {"Topic": topic_name(topics, topic), "Stance": stance}
    for algorithm in _algorithms(drifts):
        run = f"sft-{sft}/{algorithm}-ultrafeedback"
        row |= _pair(drifts, (model, run, topic, stance), algorithm_title(algorithm))
    return row


def _pair(drifts: Drifts, key: tuple[str, str, str, str], column: str) -> dict[str, str]:
    row = drifts.get(key)
    mark = REAL if row is not None and row["real"] else ""
    shown: dict[Quantity, str] = {"M": magnitude_text(row) + mark, "η": time_text(row)}
    return {f"{column}{LEVEL}{quantity}": text + _beside(key, quantity) for quantity, text in shown.items()}


def _beside(key: tuple[str, str, str, str], quantity: Quantity) -> str:
    stated = paper_number(*key, quantity)
    if stated is None:
        return ""
    return f" (paper {signed(stated) if quantity == 'M' else f'{stated:.2f}'})"


def _by_topic(drifts: Drifts, topics: Topics, cells: Callable[[str], dict[str, str]]) -> pl.DataFrame:
    measured = {topic for _, _, topic, _ in drifts}
    shown = [*topics, *([ALL] if ALL in measured else [])]
    return pl.DataFrame([{"Topic": topic_name(topics, topic)} | cells(topic) for topic in shown])


def _sft_sets(drifts: Drifts, model: str, data: Sequence[str]) -> list[str]:
    """The SFT sets of `model` from which a run on one of the preference sets `data` started."""
    lineages = [phases(run) for name, run, _, _ in drifts if name == model]
    found = {lineage[0].data for lineage in lineages if len(lineage) > 1 and lineage[-1].data in data}
    return [sft for sft in ordered(found, SFT_DATA) if sft in found]


def _algorithms(drifts: Drifts) -> list[str]:
    found = {phases(run)[-1].algorithm for _, run, _, _ in drifts}
    return ordered(found - {"sft"}, ALGORITHMS)


def _default_topics(topics: Topics) -> list[str]:
    first = [topic for topic in ("immigration", "climate") if topic in topics]
    rest = [topic for topic in topics if topic not in (*first, "abortion")]
    return (first + rest)[:3]


def _numbered(number: int | None) -> str:
    return "" if number is None else f"Table {number}. "


def _paper_note(model: str) -> str:
    has_numbers = any(number.model == model for number in PAPER_NUMBERS)
    return " In brackets: what the paper's text states." if has_numbers else ""
