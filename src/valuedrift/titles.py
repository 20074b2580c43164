"""Names of models, algorithms, data sets and runs, and numbers with their intervals, as a reader sees them."""

from __future__ import annotations

from dataclasses import dataclass

from valuedrift.errors import DataError

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


def with_interval(value: float, low: float, high: float, form: str = ".2f") -> str:
    """`−0.21 (−0.30 to 0.00)`: with a real minus sign, and no sign before zero."""
    shown = (f"{number:z{form}}".replace("-", "−") for number in (value, low, high))
    return "{} ({} to {})".format(*shown)
