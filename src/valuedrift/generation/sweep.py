"""One process takes a run's checkpoints in turn and writes all their answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from valuedrift.files import write_parquet
from valuedrift.generation.engine import Answer, Prompt, Sampling, TransformersEngine
from valuedrift.training.checkpoints import step_of

BASE = "base"


def sweep(
    model: str, run: str, base: Path, checkpoints: Sequence[Path], probes: Path, sampling: Sampling, out: Path
) -> None:
    """Write the answers of every checkpoint to every probe question as one parquet, one row an answer.

    Columns: model, run, step, topic, question_id, question, sample, answer, tokens, finished.
    """
    questions = pl.read_parquet(probes)
    engine = TransformersEngine(base, checkpoints[0])
    prompts = [
        Prompt(row["question_id"], _prompt(engine, row["question"], plain=run == BASE)) for row in questions.to_dicts()
    ]
    parts = []
    for checkpoint in checkpoints:
        engine.load(checkpoint)
        parts.append(_table(engine.answer(prompts, sampling), model, run, step_of(checkpoint), questions))
    write_parquet(out, pl.concat(parts))


def _prompt(engine: TransformersEngine, question: str, plain: bool) -> str:
    """Base models are asked in plain text, with the paper's "Response:" (section 3); others in their chat format."""
    if plain:
        return f"{question}\nResponse:"
    turn = [{"role": "user", "content": question}]
    return str(engine.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True))


def _table(answers: list[Answer], model: str, run: str, step: int, questions: pl.DataFrame) -> pl.DataFrame:
    rows = pl.DataFrame(
        [
            {
                "question_id": a.question_id,
                "sample": a.sample,
                "answer": a.text,
                "tokens": a.tokens,
                "finished": a.finished,
            }
            for a in answers
        ]
    )
    named = rows.with_columns(model=pl.lit(model), run=pl.lit(run), step=pl.lit(step, pl.Int64))
    columns = ["model", "run", "step", "topic", "question_id", "question", "sample", "answer", "tokens", "finished"]
    return named.join(questions, on="question_id", how="left", maintain_order="left").select(columns)
