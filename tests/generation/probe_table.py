"""Probe questions that the generation tests share."""

from __future__ import annotations

from pathlib import Path

import polars as pl

QUESTIONS = {"work-2": "Do we need remote work ?", "climate-0": "Can wind farms be justified ?", "climate-1": "Why ?"}


def write_probes(file: Path, questions: dict[str, str]) -> Path:
    rows = [{"topic": key.split("-")[0], "question_id": key, "question": text} for key, text in questions.items()]
    pl.DataFrame(rows).write_parquet(file)
    return file
