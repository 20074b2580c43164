"""Names as a reader sees them, and the orders in which stances, algorithms and runs are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import polars as pl

from valuedrift.errors import DataError
from valuedrift.statistics.panel import ALL, STANCES

Topics = Mapping[str, Mapping[str, str]]
"""Topic key → {name, target, value}, in the order shown."""

BASE = "base"
"""The run that is the base model itself."""

ALGORITHMS = ("ppo", "dpo", "simpo")
SFT_DATA = ("wildchat", "alpaca")
PREFERENCE_DATA = ("ultrafeedback", "hh-rlhf", "synthetic-support", "synthetic-oppose")

_MODELS = {"llama3_3b": "Llama-3 3B", "llama3_8b": "Llama-3 8B", "qwen3_4b": "Qwen3 4B", "qwen3_8b": "Qwen3 8B"}
_ALGORITHMS = {"sft": "SFT", "ppo": "PPO", "dpo": "DPO", "simpo": "SimPO"}
_DATA = {
    "wildchat": "WildChat",
    "alpaca": "Alpaca",
    "ultrafeedback": "UltraFeedback",
    "hh-rlhf": "HH-RLHF",
    "synthetic-support": "synthetic pairs, support-aligned",
    "synthetic-oppose": "synthetic pairs, oppose-aligned",
}


@dataclass(frozen=True)
class Phase:
    """One step of a run's lineage: an algorithm on a data set."""

    algorithm: str
    data: str


def phases(run: str) -> tuple[Phase, ...]:
    """The phases of a lineage such as `sft-wildchat/dpo-ultrafeedback`, first to last."""
    parts = [part.partition("-") for part in run.split("/")]
    if not all(algorithm and data for algorithm, _, data in parts):
        raise DataError("drift", None, "run", run, "a lineage such as sft-wildchat/dpo-ultrafeedback")
    return tuple(Phase(algorithm, data) for algorithm, _, data in parts)


def model_title(model: str) -> str:
    return _MODELS.get(model, model)


def algorithm_title(algorithm: str) -> str:
    return _ALGORITHMS.get(algorithm, algorithm.upper())


def data_title(data: str) -> str:
    return _DATA.get(data, data)


def topic_name(topics: Topics, topic: str) -> str:
    return "All topics" if topic == ALL else topics[topic]["name"]


def run_title(run: str) -> str:
    """`DPO on synthetic pairs, support-aligned`: the run's own phase, without where it started."""
    last = phases(run)[-1]
    return f"{algorithm_title(last.algorithm)} on {data_title(last.data)}"


def origin_title(run: str) -> str:
    """Where a run started: `after SFT on WildChat`, or `from the base model`."""
    earlier = run.rpartition("/")[0]
    return f"after {run_title(earlier)}" if earlier else "from the base model"


def full_title(run: str) -> str:
    """`DPO on UltraFeedback, after SFT on WildChat`."""
    return f"{run_title(run)}, {origin_title(run)}"


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
