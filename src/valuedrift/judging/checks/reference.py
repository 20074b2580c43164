"""A reference judge, too dear to read all answers: it reads a sample of them, with which values are corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from valuedrift.files import write_json, write_parquet
from valuedrift.judging.checks.world_labels import LABELLED, drawn_answers
from valuedrift.judging.judge import Judge
from valuedrift.judging.stances import Counts, judge_table
from valuedrift.statistics.panel import KEYS, PROBABILITIES, most_probable


def write_reference_labels(
    stances: Sequence[Path],
    judge: Judge,
    targets: Mapping[str, str],
    labels: int,
    seed: int,
    journal: Path,
    saved: Path,
    out: Path,
) -> None:
    """Let a judge read a sample of judged answers, drawn as `world_labels` draws it, and write it as labelled answers.

    The label is the judge's most probable stance. Answers to which it gives none aren't labelled.

    Args:
        stances: The model's stance tables, by the judge that reads all answers.
        judge: The reference judge.
        targets: Topic → its target.
        labels: Number of answers per stage and topic.
        seed: Seed of the draw.
        journal: File of the judge's records.
        saved: JSON file to write: the judge, how many `answers` there are and how many it `read`, and the `tokens` and
            `dollars` for these, which `tokens_for_all` and `dollars_for_all` extrapolate to all answers.
        out: The labelled sample to write.
    """
    drawn, counts = drawn_answers(stances, labels, seed), Counts()
    read = judge_table(drawn.select(*KEYS, "question", "answer"), judge, targets, journal, counts)
    label = pl.when(pl.col(PROBABILITIES[0]).is_not_null()).then(most_probable())
    sample = drawn.with_columns(read.select(true_stance=label)).drop_nulls("true_stance")
    answers = sum(pq.read_metadata(file).num_rows for file in stances)
    tokens, every = counts.prompt_tokens + counts.completion_tokens, answers / max(1, drawn.height)
    numbers = {
        "judge": judge.name,
        "answers": answers,
        "read": drawn.height,
        "without_stance": drawn.height - sample.height,
        "tokens": tokens,
        "tokens_for_all": round(tokens * every),
        "dollars": counts.dollars,
        "dollars_for_all": counts.dollars * every,
    }
    write_json(saved, numbers)
    write_parquet(out, sample.select(LABELLED))
