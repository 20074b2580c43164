"""Find the rows of a data set that are on the probes' topics, for the judge (appendix K.1)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from valuedrift.config.suites import RowRetrievalSettings
from valuedrift.data.stances.datapoints import read_datapoints, roles
from valuedrift.files import write_parquet
from valuedrift.models.embedding_store import distinct_texts, read_embeddings, write_embeddings
from valuedrift.models.near_vectors import near_pairs
from valuedrift.models.sentence_encoder import FloatMatrix, embed


def write_vectors(tables: Sequence[Path], model: str, out: Path) -> None:
    """Embed the openings of a data set's rows, and write them to the store `out` (see `write_embeddings`)."""
    write_embeddings(_openings(tables), model, out)


def write_retrieved(
    data: str, tables: Sequence[Path], vectors: Path, probes: Path, settings: RowRetrievalSettings, out: Path
) -> None:
    """Write the answers of a data set's rows that are near a probe: one row per data row, topic and answer.

    Columns: `data, row_id, role` (answer, or chosen and rejected), `topic, question_id` (the topic's nearest probe),
    `cosine, question, answer`.

    Args:
        data: Name of the data set.
        tables: The data set's training and validation tables.
        vectors: The store that `write_vectors` wrote for these tables.
        probes: Table of the probe questions: `question_id, topic, question`.
        settings: How rows are found.
        out: Parquet file to write.

    Raises:
        ArtifactError: `vectors` belong to other texts or another model.
    """
    openings = _openings(tables)
    asked = pl.read_parquet(probes)
    stored = read_embeddings(vectors, openings, settings.model)
    hits = nearest_probes(stored, embed(asked["question"].to_list(), settings.model), asked, settings)
    found = hits.with_columns(opening=distinct_texts(openings).gather(hits["text"])).drop("text")
    answers = _answers(tables, found).select(pl.lit(data).alias("data"), pl.all())
    write_parquet(out, answers)
    rows = answers["row_id"].n_unique()
    print(f"{data}: {rows:,} rows on {answers['topic'].n_unique()} topics, {answers.height:,} answers", file=sys.stderr)


def nearest_probes(
    vectors: FloatMatrix, probe_vectors: FloatMatrix, probes: pl.DataFrame, settings: RowRetrievalSettings
) -> pl.DataFrame:
    """Return the nearest probe of each topic that a text is near: `text, topic, question_id, cosine`.

    `text` is the index of the text in `vectors`. Unless `settings.topics` is "every", each text has only its nearest
    topic. Of equally near probes, the first is taken.
    """
    topics = probes.select(pl.int_range(pl.len()).alias("probe"), "topic", "question_id")
    keys = ["text", "topic"] if settings.topics == "every" else ["text"]
    schema = {"text": pl.Int64, "probe": pl.Int64, "cosine": pl.Float64}
    blocks = []
    for pairs in near_pairs(vectors, probe_vectors, settings.threshold):
        # Rounded, so that rounding errors don't decide between probes that the encoder can't distinguish.
        columns = {"text": pairs.rows, "probe": pairs.probes, "cosine": np.round(pairs.cosines, 9)}
        near = pl.DataFrame(columns, schema=schema).join(topics, on="probe")
        order = near.sort("text", "cosine", "probe", descending=[False, True, False])
        blocks.append(order.unique(keys, keep="first", maintain_order=True).drop("probe"))
    return pl.concat(blocks).select("text", "topic", "question_id", "cosine")


def _openings(tables: Sequence[Path]) -> pl.Series:
    return read_datapoints(tables).select("opening").collect(engine="streaming")["opening"]


def _answers(tables: Sequence[Path], found: pl.DataFrame) -> pl.DataFrame:
    """Return one row per data row, topic and answer, for the openings in `found` (opening, topic, question_id, cosine).

    A row that is in the data set twice counts once.
    """
    datapoints = read_datapoints(tables)
    hits = datapoints.join(found.lazy(), on="opening").collect(engine="streaming")
    rows = hits.sort("row", "topic").unique(["row_id", "topic"], keep="first", maintain_order=True)
    shared = ("row", "row_id", "topic", "question_id", "cosine", "question")
    long = [rows.select(*shared, answer=role, role=pl.lit(role)) for role in roles(datapoints)]
    ordered = pl.concat(long).sort("row", "topic", maintain_order=True)
    return ordered.select("row_id", "role", "topic", "question_id", "cosine", "question", "answer")
