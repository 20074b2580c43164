"""Names of topics, and the orders in which stances, algorithms and runs are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from valuedrift.errors import DataError
from valuedrift.statistics.panel import ALL, STANCES
from valuedrift.titles import phases

Topics = Mapping[str, Mapping[str, str]]
"""Topic key → {name, target, value}, in the order shown."""

BASE = "base"
"""The run that is the base model itself."""

ALGORITHMS = ("ppo", "dpo", "simpo")
SFT_DATA = ("wildchat", "alpaca")
PREFERENCE_DATA = ("ultrafeedback", "hh-rlhf", "synthetic-support", "synthetic-oppose")


def topic_name(topics: Topics, topic: str) -> str:
    return "All topics" if topic == ALL else topics[topic]["name"]


def aligned_stance(data: str) -> str | None:
    """The stance that a preference set rewards on purpose (paper section 6.1), by its name; None for other data."""
    stance = data.rpartition("-")[2]
    return stance if data.startswith("synthetic-") and stance in STANCES else None


def run_order(run: str) -> tuple[int, int, str, int, str, int, str]:
    """Sort key of runs: by depth of lineage (SFT first), then data, then the SFT set, then algorithm."""
    lineage = phases(run)
    first, last = lineage[0], lineage[-1]
    data = _rank(last.data, SFT_DATA if len(lineage) == 1 else PREFERENCE_DATA)
    origin = _rank(first.data, SFT_DATA)
    return (len(lineage), data, last.data, origin, first.data, _rank(last.algorithm, ALGORITHMS), run)


def ordered(found: Iterable[str], known: Iterable[str]) -> list[str]:
    """`known` as it stands, then whatever else was found, sorted."""
    first = list(known)
    return first + sorted(set(found) - set(first))


def require_columns(frame: pl.DataFrame, name: str, columns: Iterable[str]) -> None:
    """Raise DataError when `frame` lacks one of `columns`."""
    for column in columns:
        if column not in frame.columns:
            raise DataError(name, None, column, frame.columns, f"a column '{column}'")


def require_topics(frame: pl.DataFrame, name: str, topics: Topics) -> None:
    """Raise DataError when `frame` speaks of a topic that `topics` does not name."""
    for topic in frame["topic"].unique(maintain_order=True):
        if topic != ALL and topic not in topics:
            raise DataError(name, None, "topic", topic, f"one of {', '.join(topics)} or '{ALL}'")


def _rank(name: str, known: tuple[str, ...]) -> int:
    return known.index(name) if name in known else len(known)
