"""Which of the paper's tables were made, and why others were not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from valuedrift.paper.display_order import Topics
from valuedrift.paper.index_pages import Entry, table_files
from valuedrift.paper.paper_numbers import PREFERENCE_TABLES, SFT_TABLES
from valuedrift.paper.sample_tables import SAMPLE_TABLES, SampleTable, shown_model
from valuedrift.paper.table_files import Table
from valuedrift.titles import data_title, model_title

_LAST = 17


def table_entries(tables: Sequence[Table], models: Sequence[str], topics: Topics) -> list[Entry]:
    """An entry for each of the paper's tables, then one for each table without a number.

    models: those that were measured
    """
    made = {_number(table): table for table in tables}
    others = [table for table in tables if _number(table) is None]
    instead = [table.name for table in others]
    return [
        *(_entry(number, made.get(number), models, topics, instead) for number in range(1, _LAST + 1)),
        *(Entry("", table.caption.partition(". M:")[0], table_files(table.name)) for table in others),
    ]


def _number(table: Table) -> int | None:
    """9 of `table_09_sft_drift_llama3_3b`."""
    kind, _, rest = table.name.partition("_")
    number = rest.partition("_")[0]
    return int(number) if kind == "table" and number.isdigit() else None


def _entry(number: int, table: Table | None, models: Sequence[str], topics: Topics, instead: Sequence[str]) -> Entry:
    title = _title(number, topics)
    if table is None:
        return Entry(f"Table {number}", title, note=_reason(number, models, topics, instead))
    samples = _samples(number)
    note = "" if samples is None else _stand_in(samples, models)
    return Entry(f"Table {number}", title, table_files(table.name), note)


def _title(number: int, topics: Topics) -> str:
    sft, preference, samples = _sft(number), _preference(number), _samples(number)
    if sft:
        return f"SFT drift of {model_title(sft)}"
    if preference:
        model, data = preference
        return f"Preference drift of {model_title(model)} after SFT on {data_title(data)}"
    if samples:
        return f"Sample answers: {topics[samples.topic]['name'] if samples.topic in topics else samples.topic}"
    return {
        1: "Drift by preference optimisation on UltraFeedback",
        2: "Categories of the probe set",
        3: "Category and stance target",
        4: "Category and value",
        8: "Sample pairs",
        17: "Downstream tasks",
    }[number]


def _reason(number: int, models: Sequence[str], topics: Topics, instead: Sequence[str]) -> str:
    sft, preference, samples = _sft(number), _preference(number), _samples(number)
    if sft:
        return _see(_unmeasured(sft), "sft_drift_", instead)
    if preference:
        model, data = preference
        if model in models:
            return f"the grid of {model_title(model)} has no run on synthetic pairs after SFT on {data_title(data)}"
        return _see(_unmeasured(model), "preference_drift_", instead)
    if samples:
        known = samples.topic in topics
        return f"no answers on {samples.topic}" if known else f"the configuration has no topic {samples.topic}"
    return {
        1: f"the grid of {_names(map(model_title, models))} has no run on UltraFeedback",
        8: "the suite has no support-aligned pairs",
        17: "nothing lies in results/downstream; docs/tables.md says how to measure it",
    }[number]


def _see(reason: str, kind: str, names: Sequence[str]) -> str:
    """The reason, with the tables of that kind that other models have."""
    similar = [name for name in names if name.startswith(kind)]
    return f"{reason}; see {_names(similar)}" if similar else reason


def _stand_in(samples: SampleTable, models: Sequence[str]) -> str:
    shown = shown_model(samples, models)
    return "" if shown == samples.model else f"of {model_title(shown)}; {_unmeasured(samples.model)}"


def _unmeasured(model: str) -> str:
    return f"{model_title(model)} is not in report.models"


def _names(names: Iterable[str]) -> str:
    return ", ".join(names)


def _sft(number: int) -> str | None:
    return next((model for model, own in SFT_TABLES.items() if own == number), None)


def _preference(number: int) -> tuple[str, str] | None:
    return next((pair for pair, own in PREFERENCE_TABLES.items() if own == number), None)


def _samples(number: int) -> SampleTable | None:
    return next((table for table in SAMPLE_TABLES if table.number == number), None)
