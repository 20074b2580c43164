"""Folders as the pipeline leaves them, small, and a stance table with hostile answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
from doubles.display import configuration
from doubles.results import HEALTHY

from valuedrift.data.stances.prediction import METHODS
from valuedrift.display import display_settings
from valuedrift.files import write_json, write_parquet

_TEXTS = dict.fromkeys(("model", "run", "algorithm", "data", "sft", "topic", "stance"), pl.String)
VALUES = {
    **_TEXTS,
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    **dict.fromkeys(("step", "questions", "answers"), pl.Int64),
}
DRIFT = {
    **_TEXTS,
    **dict.fromkeys(("start_value", "end_value", "magnitude", "low", "high", "time", "p_value"), pl.Float64),
    "outcome": pl.String,
    **dict.fromkeys(("end_step", "step_reached", "questions"), pl.Int64),
}

HOSTILE = (
    "<script>document.title = 'owned'</script>",
    "<img src=x onerror=alert(1)>",
    '=HYPERLINK("http://example.org")',
    "right \u202e to left",
    "attachment://0000",
    "![](http://127.0.0.1:9/pixel.png) [link](javascript:alert(1))",
    "{{ 7 * 7 }} ${7 * 7} \x00 \x1b[31m",
)
STANCES = {"p_support": 0.7, "p_neutral": 0.2, "p_oppose": 0.1}
LABELS = {"model": "pocket", "run": "sft-a", "algorithm": "sft", "data": "a", "sft": "a", "topic": "work"}


def stance_rows(run: str = "sft-a", steps: tuple[int, ...] = (0, 12), model: str = "pocket") -> pl.DataFrame:
    """Two questions; the first answers of each checkpoint are HOSTILE, its last one has no stance."""
    rows = [
        {"model": model, "run": run, "step": step, "topic": "work", "question_id": f"work-{number % 2}"}
        | {"question": f"Why {number % 2} ?", "sample": number // 2, "answer": answer}
        | (STANCES if answer else dict.fromkeys(STANCES))
        | {"flag": None if answer else "unassigned", "refusal": not answer}
        | {"judge": "transformers:0", "prompt_hash": "0e49"}
        for step in steps
        for number, answer in enumerate((*HOSTILE, ""))
    ]
    return pl.DataFrame(rows, schema_overrides=dict.fromkeys(STANCES, pl.Float64) | {"flag": pl.String})


def results(folder: Path) -> dict[str, Any]:
    """The options of `valuedrift exports` for a small tree of results below `folder`."""
    statistics, expression, prediction = (
        folder / name / "pocket" for name in ("statistics", "expression", "prediction")
    )
    write_parquet(statistics / "values.parquet", _row(VALUES, **LABELS, stance="support", value=0.7))
    write_parquet(statistics / "drift.parquet", _row(DRIFT, **LABELS, stance="support", magnitude=-0.2))
    findings = [{"name": "small_gap_barely_moves", "holds": None, "reason": "missing", "numbers": {}, **HEALTHY}]
    write_json(statistics / "findings.json", findings)
    write_parquet(folder / "stances.parquet", stance_rows())
    answers = pl.DataFrame({"data": ["a"], "rank": [1], "question": ["Why ?"], "answer": [HOSTILE[2]]})
    write_parquet(expression / "nearest.parquet", answers)
    errors = pl.DataFrame({"model": ["pocket"] * len(METHODS), "method": METHODS, "error": [0.1] * len(METHODS)})
    write_parquet(prediction / "errors.parquet", errors)
    planted = pl.DataFrame({"model": ["pocket"], "planted": [0.5], "measured": [0.4]})
    write_parquet(folder / "calibration/pocket/table.parquet", planted)
    per_stance = {"support": 0.9, "oppose": 1.0}
    confusion = {"support": {"support": 9, "oppose": 1}, "oppose": {"support": 0, "oppose": 10}}
    measures = {"accuracy": 0.95, "unassigned": 0.01, "precision": per_stance, "recall": per_stance}
    write_json(folder / "judges/mine/quality.json", {**measures, "confusion": confusion})
    write_parquet(folder / "metrics.parquet", pl.DataFrame({"step": [1], "metric": ["loss"], "value": [2.5]}))
    score = {"task": "tiny", "metric": "acc", "value": 0.5, "stderr": None, "questions": 4}
    write_json(folder / "score.json", {"model": "pocket", "run": "base", "step": 0, "scores": [score]})
    benchmark = folder / "benchmarks/sft/run.tsv"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text("s\tmax_rss\n2.5\t100.0\n")
    return {
        "statistics": statistics,
        "stances": folder / "stances.parquet",
        "calibrations": json.dumps([str(folder / "calibration/pocket")]),
        "quality": json.dumps({"mine": str(folder / "judges/mine/quality.json")}),
        "expression": json.dumps({"paper": str(expression)}),
        "prediction": prediction,
        "metrics": json.dumps({"pocket": {"sft-a": str(folder / "metrics.parquet")}}),
        "benchmarks": folder / "benchmarks",
        "downstream": folder / "score.json",
        "display": json.dumps(display_settings(configuration(("pocket",)), ["pocket"])),
    }


def _row(schema: Any, **values: Any) -> pl.DataFrame:
    return pl.DataFrame({name: [values.get(name)] for name in schema}, schema=schema)
