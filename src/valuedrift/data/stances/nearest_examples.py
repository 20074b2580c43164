"""Which data moved a value: the training examples nearest to a topic's probes, per stance."""

from __future__ import annotations

import polars as pl

from valuedrift.statistics.panel import ALL, PROBABILITIES, most_probable

_GROUP = ("data", "role", "topic", "stance")


def nearest_examples(judged: pl.DataFrame, count: int = 5) -> pl.DataFrame:
    """Return the `count` nearest examples per data set, role, topic and (most probable) stance.

    Columns: `data, role, topic, stance, examples` (number of retrieved answers with this stance), `rank` (from 1),
    `cosine, row_id, question_id` (the nearest probe), `question, answer, p_support, p_neutral, p_oppose`. A question
    that occurs several times is listed once, with the answer whose stance is most certain.
    """
    taken = judged.drop_nulls(PROBABILITIES).with_columns(
        stance=most_probable(), certainty=pl.max_horizontal(PROBABILITIES)
    )
    counted = taken.with_columns(examples=pl.len().over(_GROUP))
    ordered = counted.sort("cosine", "certainty", "row_id", descending=[True, True, False])
    shown = ordered.unique([*_GROUP, "question"], keep="first", maintain_order=True)
    ranked = shown.with_columns(rank=pl.int_range(1, pl.len() + 1).over(_GROUP)).filter(pl.col("rank") <= count)
    return ranked.sort(*_GROUP, "rank").select(
        *_GROUP, "examples", "rank", "cosine", "row_id", "question_id", "question", "answer", *PROBABILITIES
    )


def movers(nearest: pl.DataFrame, drift: pl.DataFrame) -> pl.DataFrame:
    """Return, per run and topic, the stance whose value rose most and the nearest examples with it in the run's data.

    If there is no such example, the run and topic has one row with nulls.

    Args:
        nearest: A table of `nearest_examples`; rejected answers are ignored.
        drift: A drift table, see `valuedrift.statistics.measures`.

    Returns:
        `model, run, data, topic, stance, start_value, end_value, magnitude, low, high`, then the columns of `nearest`.
    """
    rose = drift.filter(pl.col("topic") != ALL).sort("magnitude", descending=True, maintain_order=True)
    most = rose.unique(["model", "run", "topic"], keep="first", maintain_order=True).sort("model", "run", "topic")
    keys = ["data", "topic", "stance"]
    moved = most.select("model", "run", *keys, "start_value", "end_value", "magnitude", "low", "high")
    taught = nearest.filter(pl.col("role") != "rejected").drop("role")
    return moved.join(taught, on=keys, how="left", maintain_order="left_right")
