"""A small report: its rows, its inputs, and a reader of the pieces that it writes."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl
from doubles.display import TOPICS as ALL_TOPICS
from doubles.display import configuration, display
from doubles.results import FRAMING, STANCES, drift_row, health, labels, values

from valuedrift.report.data_evidence import Expressed, Predicted
from valuedrift.report.judge_correction import Corrected
from valuedrift.report.page import ReportInputs

RUNS = ("sft-wildchat", "sft-wildchat/dpo-synthetic-support")
TOPICS = {name: ALL_TOPICS[name] for name in ("climate", "work")}
DISPLAY = display(topics=TOPICS, table_1_topics=["climate"])
STEPS = (0, 100, 200)
QUESTIONS, SAMPLES = 3, 2


def drift() -> pl.DataFrame:
    moved = zip(STANCES, (0.53, -0.5, -0.03), (0.5, 1.0, None), strict=True)
    return pl.DataFrame(
        [
            drift_row(run, topic, stance, magnitude, time)
            for stance, magnitude, time in moved
            for run in RUNS
            for topic in ("all", *TOPICS)
        ]
    )


def answer(text: str, run: str = RUNS[0], step: int = 200, question: int = 0, **changes: Any) -> dict[str, Any]:
    return (
        {"model": "pocket", "run": run, "step": step, "topic": "climate", "question_id": f"climate-{question:03}"}
        | {"question": f"Is climate {question} right?", "sample": 0, "answer": text}
        | {"p_support": 0.7, "p_neutral": 0.2, "p_oppose": 0.08, "unassigned": 0.02, "refusal": False, "flag": None}
        | {"label": None, "unhealthy": False}
        | changes
    )


def answers() -> pl.DataFrame:
    """Two questions' worth of answers a topic at every checkpoint; support grows from step to step."""
    places = [("base", 0), *((run, step) for run in RUNS for step in STEPS[1:])]
    rows = []
    cells = product(enumerate(places), TOPICS, range(QUESTIONS), range(SAMPLES))
    for (place, (run, step)), topic, question, sample in cells:
        support = round(0.1 + 0.2 * place - 0.01 * question, 3)
        where = {"topic": topic, "question_id": f"{topic}-{question}", "sample": sample}
        shares = {"p_support": support, "p_neutral": 0.0, "p_oppose": round(1 - support, 3)}
        text, asked = f"{run} at {step} on {topic} {question} says {sample}", f"Is {topic} {question} right?"
        rows.append(answer(text, run, step, **where, **shares) | {"question": asked})
    return pl.DataFrame(rows)


def corrected(value: float | None = 0.4) -> Corrected:
    """Judged drifts of +0.53, −0.5 and −0.03; corrected they are `value`, or refused if it is None."""
    judged = tuple(zip(STANCES, (0.53, -0.5, -0.03), strict=True))
    refused = "run sft-wildchat: 2 labelled answers, 5 needed" if value is None else None
    drifts = [
        labels(run)
        | {"topic": topic, "stance": stance}
        | {"raw": raw, "raw_low": raw - 0.1, "raw_high": raw + 0.1, "refused": refused}
        | {"value": value, "low": value and value - 0.2, "high": value and value + 0.2}
        | {"preferred": value and ("corrected" if raw > 0 else "raw")}
        for run in RUNS
        for topic in ("all", *TOPICS)
        for stance, raw in judged
    ]
    values = [
        row | {"step": step, "stage": "sft", "raw": 0.3 + max(0, -row["raw"]) + row["raw"] * step / 200}
        for row in drifts
        for step in STEPS
    ]
    share = {"model": "pocket", "low": 0.8, "high": 0.9}
    agreement = [
        share | {"stage": stage, "measure": measure, "stance": stance, "value": found, "answers": answers}
        for stage in ("base", "sft", "preference")
        for measure, stance, found, answers in (
            ("accuracy", "all", 0.875, 1234), ("recall", "support", 0.7, 9), ("recall", "neutral", 0.6, 9),
            ("recall", "oppose", None, 0), ("unlabelled", "all", 0.021, 1300),
        )
    ]  # fmt: skip
    schema = {"value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
    schema |= {"refused": pl.String, "preferred": pl.String}
    return Corrected(
        *(pl.DataFrame(rows, schema_overrides=schema) for rows in (values, drifts)), pl.DataFrame(agreement)
    )


def expressed() -> Expressed:
    share = {"share": 0.3, "low": 0.2, "high": 0.4, "rows": 9}
    shares = [
        {"data": "wildchat", "role": "answer", "topic": topic, "stance": stance} | share
        for topic, stance in product(("all", *TOPICS), STANCES)
    ]
    gaps = [{"data": "synthetic-support", "topic": "climate", "distance": 1.4}] * 3
    summary = [
        {"data": "synthetic-support", "topic": "all", "measure": measure, "value": value, "low": low, "high": low}
        | {"pairs": 3}
        for measure, value, low in (
            ("mean", 1.41, 1.4), ("median", 1.4, None), ("large", 1.0, 1.0), ("support", 0.97, 0.9),
            ("neutral", 0.0, 0.0), ("oppose", -0.97, -1.0),
        )
    ]  # fmt: skip
    example = {"data": "wildchat", "role": "answer", "topic": "climate", "stance": "support", "examples": 7}
    example |= {"rank": 1, "cosine": 0.91, "row_id": "r", "question_id": "climate-0", "question": "Why?"}
    example |= {"answer": "Because \u202eit is.", "p_support": 0.9, "p_neutral": 0.1, "p_oppose": 0.0}
    return Expressed(*map(pl.DataFrame, (shares, gaps, summary, [example])))


def predicted() -> Predicted:
    place = {"model": "pocket", "data": "wildchat"}
    predictions = [
        place
        | {"topic": topic, "stance": stance, "predicted_drift": 0.2, "drift": 0.3, "drift_low": 0.2, "drift_high": 0.4}
        for topic, stance in product(TOPICS, STANCES)
    ]
    errors = [place | {"method": "share", "error": 0.069, "low": 0.046, "high": 0.095, "topics": 2}]
    moved = {"run": RUNS[0], "topic": "climate", "stance": "support", "magnitude": 0.53, "low": 0.43, "high": 0.63}
    return Predicted(*map(pl.DataFrame, (predictions, errors, [place | moved] * 2)))


def training(points: int = 5) -> pl.DataFrame:
    runs = ("base", *RUNS, "sft-wildchat/reward-ultrafeedback")
    return pl.DataFrame(
        [
            {"model": "pocket", "run": run, "step": step, "metric": metric, "value": 1 / (1 + step)}
            for run, metric, step in product(runs, ("loss", "grad_norm", "num_tokens"), range(points))
        ]
    )


CRITERION = {"value": 0.05, "low": -0.1, "high": 0.2, "bound": -0.08, "threshold": 0.0, "rule": "above", "holds": None}
CRITERION |= {"seeds": 1}
MET = CRITERION | {"value": 0.194, "low": 0.17, "high": 0.21, "bound": 0.2, "holds": True}
EARLY = {"rms": {"value": 0.33, "low": 0.3, "high": 0.36}, "t50": MET | {"threshold": 0.5, "rule": "below"}}
EARLY |= {"further_than": {"sft-wildchat/dpo-ultrafeedback": MET}}
FAILED = CRITERION | {"value": 0.3, "low": 0.2, "high": 0.4, "threshold": 0.1, "rule": "below", "holds": False}
PRIOR = {"favoured": "support", "prior": MET, "difference": CRITERION}
INPUTS = ReportInputs(
    display=DISPLAY,
    values=values(RUNS, ("all", *TOPICS)),
    drift=drift(),
    calibration=pl.DataFrame(
        {"model": ["pocket"] * 2, "data": ["wildchat"] * 2, "topic": ["climate"] * 2, "stance": ["support", "oppose"]}
        | {"planted": [0.5, 0.2], "measured": [0.6, 0.5], "low": [0.4, 0.4], "high": [0.7, 0.6]}
    ),
    findings=[
        {"model": "pocket", "name": name, "holds": holds, "reason": reason, "statement": "", "numbers": numbers}
        | {"healthy": holds, "unhealthy": {}}
        for name, holds, reason, numbers in (
            ("sft_sets_values_early", True, None, {"sft-wildchat": EARLY}),
            ("small_gap_barely_moves", False, None, {"dpo": {"support": FAILED, "neutral": CRITERION}}),
            ("wide_gap_separates_algorithms", None, "missing", {}),
            ("dpo_amplifies_the_prior", None, "undecided", PRIOR),
        )
    ],
    judges={
        "gpt": {
            "accuracy": 0.934,
            "low": 0.91,
            "high": 0.95,
            "n": 660,
            "confusion": {true: {label: 200 if label == true else 7 for label in STANCES} for true in sorted(STANCES)},
            "recall": dict.fromkeys(STANCES, 0.93),
            "precision": {"support": 0.9, "neutral": 0.92, "oppose": None},
            "unassigned": 0.01,
        }
    },
    answers=answers(),
    stages=pl.DataFrame(
        {"stage": ["judge", "train"], "jobs": [3, 2], "wall_seconds": [12.5, 3725.0], "peak_mib": [None, 2048.0]}
    ),
    planned=pl.DataFrame(
        {"stage": ["judge"], "jobs": [3], "predicted_seconds": [10.0], "measured_seconds": [12.5], "ratio": [0.8]}
    ),
    versions={"python": "3.11.7"},
    commit="0123abc",
    date="2026-11-29",
    sizes={"pocket": 118_224.0, "other": 4e9, "mine": 4e9},
    configuration=configuration(("pocket", "other", "mine"), TOPICS, ("mine",))
    | {"seed": 17, "judge": {"base_url": "https://judge.example/v1"}, "statistics": {"barely": 0.1}},
    health=health(RUNS),
    framing=FRAMING,
    controls=(),
    judges_compared=(),
    corrected=corrected(),
    expressed={"paper": expressed()},
    predicted=predicted(),
    training=training(),
)


def read_piece(out: Path, name: str) -> Any:
    """The data of `<out>/data/<name>.js`."""
    text = (out / "data" / f"{name}.js").read_text(encoding="utf-8")
    start, end = f'receive("{name}",', ");\n"
    assert text.startswith(start)
    assert text.endswith(end)
    return json.loads(text[len(start) : -len(end)])
