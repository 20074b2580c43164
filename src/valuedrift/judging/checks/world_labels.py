"""Draw a sample of a model's judged answers, and label them by the rules of the pocket world."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from valuedrift.files import write_parquet
from valuedrift.judging.checks.draw_sample import TEXT, at_run_ends, draw_distinct
from valuedrift.statistics.bootstrap import Bootstrap
from valuedrift.statistics.labelled_sample import STAGES, broad_stage
from valuedrift.statistics.panel import KEYS, PROBABILITIES
from valuedrift.world.languages import true_stance

_TEXTS = ("question", "answer")
LABELLED = (*KEYS, "stage", "true_stance", *PROBABILITIES, "unassigned", "weight", *_TEXTS)
"""The columns of a labelled sample."""


def write_world_labels(stances: Sequence[Path], labels: int, seed: int, out: Path) -> None:
    """Write the result of `world_labels` to `out`, and print how many of the answers could be labelled."""
    sample = world_labels(stances, labels, seed)
    write_parquet(out, sample)
    for stage, drawn, read in label_counts(sample).iter_rows():
        print(f"{stage}: {read} of {drawn} answers are labelled, the others have no readable stance", file=sys.stderr)


def world_labels(stances: Sequence[Path], labels: int, seed: int) -> pl.DataFrame:
    """Draw answers at the ends of runs, as many from each run of a stage, and label them (see `true_stance`).

    Equal answers to a question are drawn only once: a label counts for all of them.

    Args:
        stances: The model's stance tables. Unjudged answers aren't drawn.
        labels: Number of answers per stage (base, sft, preference) and topic; all are drawn if there are fewer.
        seed: Seed of the draw.

    Returns:
        One row per answer, as `labelled_sample` reads it: the keys of a stance table, `stage, true_stance, p_…,
        unassigned`, `weight` (the number of answers at the end of its run that the row represents), `question,
        answer`. `true_stance` is null if an answer takes no stance.

    Raises:
        ArtifactError: A question isn't one of the pocket world's.
    """
    drawn = drawn_answers(stances, labels, seed)
    read = [true_stance(question, text) for question, text in drawn.select(_TEXTS).iter_rows()]
    return drawn.with_columns(true_stance=pl.Series(read, dtype=pl.String)).select(LABELLED)


def drawn_answers(stances: Sequence[Path], labels: int, seed: int) -> pl.DataFrame:
    """Draw the answers that `world_labels` labels."""
    answers = at_run_ends(
        [pl.scan_parquet(file) for file in stances], [*KEYS, *PROBABILITIES, "unassigned", *_TEXTS, TEXT]
    ).with_columns(stage=broad_stage(pl.col("run")))
    cells = answers.partition_by("stage", "topic", maintain_order=True)
    return pl.concat(_drawn(cell, labels, seed) for cell in cells)


def label_counts(sample: pl.DataFrame) -> pl.DataFrame:
    """Return the numbers of `drawn` and of `read` (labelled) answers by `stage`, in the order of training."""
    counts = sample.group_by("stage").agg(drawn=pl.len(), read=pl.col("true_stance").count())
    return counts.sort(pl.col("stage").replace_strict(STAGES, range(len(STAGES))))


def _drawn(cell: pl.DataFrame, labels: int, seed: int) -> pl.DataFrame:
    """Draw answers of one stage and topic with a separate seed, so that new answers elsewhere don't change them."""
    random = Bootstrap(seed).stream(f"labels/{cell['stage'][0]}/{cell['topic'][0]}")
    return draw_distinct(cell, labels, random)
