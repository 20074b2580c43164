"""Answers saved apart from the pipeline's outputs, so that no answer is generated twice after a kill or a change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from valuedrift.digests import text_digest
from valuedrift.files import readable, write_parquet
from valuedrift.generation.probe_prompts import Answer, Prompt

KEY = ["question_id", "prompt", "sample"]
SCHEMA = {
    "question_id": pl.String,
    "prompt": pl.String,
    "sample": pl.Int64,
    "answer": pl.String,
    "tokens": pl.Int64,
    "finished": pl.Boolean,
    "loaded": pl.String,
}


class AnswerFile:
    """The answers of one checkpoint with the same settings: a parquet file named after both.

    Its column `loaded` says how the engine that answered loaded the weights.

    Args:
        settings: everything that an answer depends on, except its prompt and its number.
    """

    def __init__(self, store: Path, settings: dict[str, str]) -> None:
        self.settings = settings
        self.path = store / f"{text_digest(json.dumps(settings, sort_keys=True))[:32]}.parquet"

    def read(self) -> pl.DataFrame:
        """Return all saved answers; raise ArtifactError if the file is not such a table."""
        if not self.path.exists():
            return pl.DataFrame(schema=SCHEMA)
        with readable(self.path, "a table of answers", "Remove it: its answers are generated again."):
            return pl.read_parquet(self.path).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())

    def add(self, prompts: Sequence[Prompt], answers: Sequence[Answer], loaded: str) -> None:
        """Save the answers to these prompts, in the prompts' order; the file is replaced as a whole."""
        texts = [prompt.text for prompt in prompts for _ in prompt.samples]
        rows = [
            (a.question_id, text, a.sample, a.text, a.tokens, a.finished, loaded)
            for text, a in zip(texts, answers, strict=True)
        ]
        new = pl.DataFrame(rows, schema=SCHEMA, orient="row")
        kept = pl.concat([self.read(), new]).unique(KEY, keep="first", maintain_order=True)
        write_parquet(self.path, kept, self.settings)


def wanted(prompts: Sequence[Prompt]) -> pl.DataFrame:
    """Return the keys of the answers that the prompts ask for, in the prompts' order."""
    rows = [(prompt.question_id, prompt.text, sample) for prompt in prompts for sample in prompt.samples]
    return pl.DataFrame(rows, schema={name: SCHEMA[name] for name in KEY}, orient="row")


def lacking(prompts: Sequence[Prompt], kept: pl.DataFrame) -> list[Prompt]:
    """Return the prompts that lack answers, each with the numbers of its missing answers."""
    there = set(kept.select(KEY).rows())
    left = (replace(p, samples=tuple(i for i in p.samples if (p.question_id, p.text, i) not in there)) for p in prompts)
    return [prompt for prompt in left if prompt.samples]
