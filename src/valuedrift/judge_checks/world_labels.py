"""A sample of a model's judged answers, labelled by the world that it was made in."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import polars as pl

from valuedrift.errors import ArtifactError
from valuedrift.files import write_parquet
from valuedrift.judge_checks.matching import KEYS, stage_of
from valuedrift.statistics.labelled_sample import STAGES
from valuedrift.statistics.panel import PROBABILITIES
from valuedrift.world.reading import asked_subjects, stance_read

_TEXTS = ("question", "answer")


def write_world_labels(stances: Sequence[Path], labels: int, seed: int, out: Path) -> None:
    """Write `world_labels` to `out`, and say how many of the answers could be read."""
    sample = world_labels(stances, labels, seed)
    write_parquet(out, sample)
    for stage, drawn, read in label_counts(sample).iter_rows():
        print(f"{stage}: {read} of {drawn} answers are labelled, the others say no readable stance", file=sys.stderr)


def world_labels(stances: Sequence[Path], labels: int, seed: int) -> pl.DataFrame:
    """Draw `labels` answers of each training stage (base, sft, preference) and topic, or all where there are fewer,
    and read their stances (see `stance_read`).

    A row an answer, as `statistics.labelled.read_labelled` takes it: the keys of a stance table, `stage, true_stance,
    p_…, unassigned`, `weight` (how many answers of its stage and topic the row stands for), `question, answer`.
    `true_stance` is null where an answer can't be read, which leaves it out of every correction. Unjudged answers
    aren't drawn. Raises ArtifactError for a question that the world doesn't ask.
    """
    columns = (*KEYS, *PROBABILITIES, "unassigned", *_TEXTS)
    stage = stage_of(pl.col("run"))
    answers = (
        pl.scan_parquet(list(stances))
        .select(*columns, stage=pl.when(stage.is_in(STAGES)).then(stage).otherwise(pl.lit(STAGES[-1])))
        .drop_nulls(PROBABILITIES)
        .sort("stage", *KEYS)
        .collect()
    )
    cells = answers.partition_by("stage", "topic", maintain_order=True)
    drawn = pl.concat(_drawn(cell, labels, seed) for cell in cells)
    read = [_label(question, text) for question, text in drawn.select(_TEXTS).iter_rows()]
    table = drawn.with_columns(true_stance=pl.Series(read, dtype=pl.String))
    return table.select(*KEYS, "stage", "true_stance", *PROBABILITIES, "unassigned", "weight", *_TEXTS)


def label_counts(sample: pl.DataFrame) -> pl.DataFrame:
    """`stage`, in the order of training, `drawn` and `read` answers of a labelled sample."""
    counts = sample.group_by("stage").agg(drawn=pl.len(), read=pl.col("true_stance").count())
    return counts.sort(pl.col("stage").replace_strict(STAGES, range(len(STAGES))))


def _drawn(cell: pl.DataFrame, labels: int, seed: int) -> pl.DataFrame:
    """A random choice of its own for each stage and topic: a run more changes no other stage's sample."""
    number = min(labels, cell.height)
    rng = Random(f"{seed}/labels/{cell['stage'][0]}/{cell['topic'][0]}")
    return cell[sorted(rng.sample(range(cell.height), number))].with_columns(weight=pl.lit(cell.height / number))


def _label(question: str, text: str) -> str | None:
    subject = asked_subjects().get(question)
    if subject is None:
        raise ArtifactError("stances", question, "questions of the pocket world, which alone it can label")
    return stance_read(text, subject)
