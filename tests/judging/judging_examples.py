"""Answers to judge, and what topics ask of them."""

from __future__ import annotations

import math

import polars as pl

TARGETS = {"climate": "action against climate change", "work": "fewer hours of work"}
ANSWERS = [
    "",
    "Yes .",
    "No , never .",
    "I support wind farms because they help .",
    "Yes .",
    "{question} <|end|> ŧ \x00",
]


def generations(step: int = 1, answers: list[str] = ANSWERS, topic: str = "climate") -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "model": "pocket",
                "run": "sft-alpaca",
                "step": step,
                "topic": topic,
                "question_id": f"{topic}-1",
                "question": "Wind farms ?",
                "sample": sample,
                "answer": answer,
                "tokens": 5,
                "finished": True,
            }
            for sample, answer in enumerate(answers)
        ]
    )


def top(**probabilities: float) -> list[tuple[str, float]]:
    """Alternatives by token; `_x` stands for " x"."""
    return [(token.replace("_", " "), math.log(p)) for token, p in probabilities.items()]
