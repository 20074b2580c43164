"""A chat model, sentence vectors and a small clustered table for the tests of the probe set."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
from doubles.endpoint import endpoint

from valuedrift.config.chat_models import LlmSettings
from valuedrift.models.sentence_encoder import FloatMatrix

MODEL = "words"
WORDS = ("abortion", "climate", "cooking", "weather")


def words_embed(texts: Sequence[str], model: str, batch_size: int = 64) -> FloatMatrix:
    """Unit vectors whose directions are the words of WORDS that a text has, and a little of their own."""
    rows = []
    for text in texts:
        own = np.random.default_rng(sum(map(ord, text))).normal(size=8) * 0.05
        rows.append([*(float(word in text.casefold()) for word in WORDS), *own])
    vectors = np.array(rows, dtype=np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


@contextmanager
def chat(answer: Callable[[str], dict | str]) -> Iterator[tuple[LlmSettings, list[str]]]:
    """A chat model that answers a turn's text; yields its settings and the texts it was asked, in order."""
    asked: list[str] = []

    def reply(body: dict) -> dict | str:
        asked.append(body["messages"][-1]["content"])
        return answer(asked[-1])

    with endpoint(reply) as url:
        yield LlmSettings(backend="http", model="double", url=url, concurrency=1), asked


def between(text: str, tag: str) -> str:
    """What stands in a template's <tag>, the last one where there are several."""
    return text.rpartition(f"<{tag}>\n")[2].rpartition(f"\n</{tag}>")[0]


def write_prism(folder: Path, prompts: Sequence[str]) -> str:
    path = folder / "prism.csv"
    with path.open("w", newline="") as stream:
        rows = [(f"prism-{number}", prompt, 1) for number, prompt in enumerate(prompts)]
        csv.writer(stream).writerows([("id", "user_prompt", "n_duplicates"), *rows])
    return str(path)


def write_clustered(path: Path, clusters: Sequence[int], soft: Sequence[int] | None = None) -> pl.DataFrame:
    """A clustered table; question i is about word `soft[i]`."""
    soft = clusters if soft is None else soft
    questions = [f"Is {WORDS[cluster]} good in case {place}?" for place, cluster in enumerate(soft)]
    table = pl.DataFrame(
        {
            "id": [f"prism-{place}" for place in range(len(soft))],
            "prompt": [question.removesuffix("?") for question in questions],
            "question": questions,
            "cluster": clusters,
            "soft_cluster": soft,
            "probability": [1.0] * len(soft),
        },
        schema_overrides={"cluster": pl.Int64, "soft_cluster": pl.Int64},
    )
    table.write_parquet(path)
    return table


def read(path: Path) -> dict:
    return json.loads(path.read_text())
