"""Draw a sample of a model's judged answers, and label them by the rules of the pocket world."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import polars as pl

from valuedrift.files import write_parquet
from valuedrift.judging.checks.matching import KEYS, stage_of
from valuedrift.statistics.labelled_sample import STAGES
from valuedrift.statistics.panel import PROBABILITIES
from valuedrift.world.languages import true_stance

_TEXTS = ("question", "answer")


def write_world_labels(stances: Sequence[Path], labels: int, seed: int, out: Path) -> None:
    """Write the result of `world_labels` to `out`, and print how many of the answers could be labelled."""
    sample = world_labels(stances, labels, seed)
    write_parquet(out, sample)
    for stage, drawn, read in label_counts(sample).iter_rows():
        print(f"{stage}: {read} of {drawn} answers are labelled, the others have no readable stance", file=sys.stderr)


def world_labels(stances: Sequence[Path], labels: int, seed: int) -> pl.DataFrame:
    """Draw answers of each training stage (base, sft, preference) and topic, and label them (see `true_stance`).

    Args:
        stances: The model's stance tables. Unjudged answers aren't drawn.
        labels: Number of answers per stage and topic; all are drawn if there are fewer.
        seed: Seed of the draw.

    Returns:
        One row per answer, as `labelled_sample` reads it: the keys of a stance table, `stage, true_stance, p_…,
        unassigned`, `weight` (the number of answers of its stage and topic that the row represents), `question,
        answer`. `true_stance` is null if an answer can't be labelled; corrections don't use such answers.

    Raises:
        ArtifactError: A question isn't one of the pocket world's.
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
    read = [true_stance(question, text) for question, text in drawn.select(_TEXTS).iter_rows()]
    table = drawn.with_columns(true_stance=pl.Series(read, dtype=pl.String))
    return table.select(*KEYS, "stage", "true_stance", *PROBABILITIES, "unassigned", "weight", *_TEXTS)


def label_counts(sample: pl.DataFrame) -> pl.DataFrame:
    """Return the numbers of `drawn` and of `read` (labelled) answers by `stage`, in the order of training."""
    counts = sample.group_by("stage").agg(drawn=pl.len(), read=pl.col("true_stance").count())
    return counts.sort(pl.col("stage").replace_strict(STAGES, range(len(STAGES))))


def _drawn(cell: pl.DataFrame, labels: int, seed: int) -> pl.DataFrame:
    """Draw answers of one stage and topic with a separate seed, so that new answers elsewhere don't change them."""
    number = min(labels, cell.height)
    rng = Random(f"{seed}/labels/{cell['stage'][0]}/{cell['topic'][0]}")
    return cell[sorted(rng.sample(range(cell.height), number))].with_columns(weight=pl.lit(cell.height / number))
