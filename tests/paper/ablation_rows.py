"""Ablations as the configuration lists them, and stances of their runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from doubles.display import display

SUPPORT, OPPOSE = "synthetic-support", "synthetic-oppose"
STEPS = (10, 20)
TOPICS = {
    name: {"name": name.title(), "target": "a target", "value": "a value"}
    for name in ("abortion", "immigration", "climate", "work")
}


DISPLAY = display("llama3_3b", topics=TOPICS, ablation_topics=["climate", "abortion", "immigration"])


def ablation(
    algorithm: str, parameter: str, data: str, *values: float, own: float, settings: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Rows of `ablated`; the run at `own`, with no other settings, is the grid's."""
    entries = []
    for value in values:
        changed = {**(settings or {}), **({} if value == own else {parameter: value})}
        end = "".join(f"-{name}-{number}" for name, number in changed.items())
        trajectory = {"run": f"sft-wildchat/{algorithm}-{data}{end}", "algorithm": algorithm, "data": data}
        trajectory |= {"sft": "wildchat", "start_run": "sft-wildchat", "start_step": 40, "steps": list(STEPS)}
        entry = {"parameter": parameter, "value": value, "own": value == own, "settings": settings or {}}
        entries.append({**entry, "trajectory": trajectory})
    return entries


def stances(folder: Path, shares: Mapping[str, tuple[float, float]]) -> list[Path]:
    """Stance tables of the start (support 0.3, oppose 0.7) and of runs, by their support after 10 and 20 steps."""
    checkpoints = {"sft-wildchat": {40: 0.3}} | {run: dict(zip(STEPS, own, strict=True)) for run, own in shares.items()}
    files = []
    for place, (run, steps) in enumerate(checkpoints.items()):
        rows = [
            {"model": "llama3_3b", "run": run, "step": step, "topic": topic, "question_id": f"q{q}", "sample": 0}
            | {"p_support": share, "p_neutral": 0.0, "p_oppose": 1 - share}
            for step, share in steps.items()
            for topic in ("abortion", "climate")
            for q in range(4)
        ]
        files.append(folder / f"{place}.parquet")
        pl.DataFrame(rows).write_parquet(files[-1])
    return files
