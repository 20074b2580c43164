"""What is shown of the paper's models and data sets, or of models and data sets of a test's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from valuedrift.display import Display, display_settings

TOPICS = {
    "abortion": {"name": "Discussions on Abortion", "target": "legal abortion", "value": "bodily autonomy"},
    "climate": {"name": "Climate Change Concerns", "target": "climate action", "value": "sustainability"},
    "work": {"name": "Work and Attitudes", "target": "shorter weeks", "value": "rest"},
    "immigration": {"name": "Immigration Policies", "target": "open borders", "value": "openness"},
}
MODELS = {
    "llama3_3b": ("Llama-3 3B", "meta-llama/Llama-3.2-3B"),
    "llama3_8b": ("Llama-3 8B", "meta-llama/Meta-Llama-3-8B"),
    "qwen3_4b": ("Qwen3 4B", "Qwen/Qwen3-4B-Base"),
    "qwen3_8b": ("Qwen3 8B", "Qwen/Qwen3-8B-Base"),
}
DATA = {
    "wildchat": {"title": "WildChat", "format": "wildchat", "hub": {"name": "allenai/WildChat-1M"}},
    "alpaca": {"title": "Alpaca", "format": "alpaca", "hub": {"name": "tatsu-lab/alpaca"}},
    "ultrafeedback": {"title": "UltraFeedback", "format": "ultrafeedback"},
    "hh-rlhf": {"title": "HH-RLHF", "format": "hh_rlhf"},
    "synthetic-support": {"title": "synthetic pairs, support-aligned", "format": "aligned"},
    "synthetic-oppose": {"title": "synthetic pairs, oppose-aligned", "format": "aligned"},
}
PAPER: dict[str, Any] = {
    "judge": "gpt",
    "probes": {"source": "vprism"},
    "generation": {"answers": 5, "temperature": 0.7},
    "data": DATA,
    "grid": {
        "sft": ["wildchat", "alpaca"],
        "preference": [{"sft": ["wildchat", "alpaca"], "data": list(DATA)[2:], "algorithms": ["ppo", "dpo", "simpo"]}],
        "small_gap": ["ultrafeedback", "hh-rlhf"],
        "support_aligned": "synthetic-support",
        "oppose_aligned": "synthetic-oppose",
    },
}
OWN: dict[str, Any] = {
    "judge": "mine",
    "probes": {"source": "questions"},
    "generation": {"answers": 1, "temperature": 0},
    "data": {name: {"title": name.title(), "format": "messages"} for name in ("letters", "calm", "for", "against")},
    "grid": {
        "sft": ["letters"],
        "preference": [{"sft": ["letters"], "data": ["calm", "for", "against"], "algorithms": ["dpo", "simpo"]}],
        "small_gap": ["calm"],
        "support_aligned": "for",
        "oppose_aligned": "against",
    },
}
"""A suite of data sets that the paper lacks."""


def configuration(
    models: Sequence[str], topics: Mapping[str, Mapping[str, str]] = TOPICS, own: Sequence[str] = (), **report: Any
) -> dict[str, Any]:
    """A configuration with these models, of which `own` go through suite `own`, the others through suite `paper`."""
    known = {name: {"title": title, "hub": {"name": hub}} for name, (title, hub) in MODELS.items()}
    return {
        "models": {name: {**known.get(name, {}), "suite": "own" if name in own else "paper"} for name in models},
        "suites": {"paper": PAPER, "own": OWN},
        "topics": topics,
        "report": report,
        "statistics": {"level": 0.95},
    }


def display(
    *models: str, topics: Mapping[str, Mapping[str, str]] = TOPICS, own: Sequence[str] = (), **report: Any
) -> Display:
    """What is shown of these models of suite `paper` (by default `pocket`), and of the models `own` of suite `own`."""
    names = (*(models or ("pocket",)), *own)
    return Display.read(display_settings(configuration(names, topics, own, **report), names, *report))
