"""The texts of a training row that this analysis looks at: what it opens with, and the answers to judge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from valuedrift.errors import ArtifactError

Role = Literal["answer", "chosen", "rejected"]
PAIR: tuple[Role, Role] = ("chosen", "rejected")

_SPEAKERS = {"system": "System", "user": "User", "assistant": "Assistant"}


def read_datapoints(tables: Sequence[Path]) -> pl.LazyFrame:
    """Every row of a data set's tables (training and validation): row, row_id, opening, question, then its answers.

    row: its place, which keeps the order through lazy joins
    opening: the first user turn, by which a row is found. An encoder reads the first few hundred tokens of a
    conversation anyway, and later turns ("Yes, how do I do that?") name no topic.
    question and `answer` of an SFT row: its first exchange, so that the answer judged is the answer to what was found.
    question, `chosen` and `rejected` of a pair: all that the two answer, as a transcript where it has several turns.
    Raises ArtifactError for a table that is neither.
    """
    return pl.concat([_texts(table) for table in tables]).with_row_index("row")


def roles(datapoints: pl.LazyFrame) -> tuple[Role, ...]:
    """Which answers the rows have: ("answer",) or ("chosen", "rejected")."""
    return PAIR if "chosen" in datapoints.collect_schema() else ("answer",)


def _texts(table: Path) -> pl.LazyFrame:
    rows = pl.scan_parquet(table)
    columns = rows.collect_schema().names()
    if {"id", "messages"} <= set(columns):
        opening, answer = _turn("messages", 0), _turn("messages", 1)
        return rows.select(row_id="id", opening=opening, question=opening, answer=answer)
    if {"id", "prompt", *PAIR} <= set(columns):
        answers = {role: pl.col(role).list.last().struct.field("content") for role in PAIR}
        return rows.select(row_id="id", opening=_turn("prompt", 0), question=_transcript("prompt"), **answers)
    raise ArtifactError(table, columns, "the columns id, messages or id, prompt, chosen, rejected")


def _turn(messages: str, place: int) -> pl.Expr:
    """The text of that turn, from 0, not counting a system message."""
    after_system = pl.col(messages).list.first().struct.field("role") == "system"
    return pl.col(messages).list.get(pl.lit(place) + after_system.cast(pl.Int64)).struct.field("content")


def _transcript(messages: str) -> pl.Expr:
    """A single user turn as it is; several turns with who speaks before each."""
    turn = pl.element().struct
    speaker = turn.field("role").replace_strict(_SPEAKERS, return_dtype=pl.String)
    spoken = pl.col(messages).list.eval(pl.format("{}: {}", speaker, turn.field("content"))).list.join("\n\n")
    alone = pl.col(messages).list.len() == 1
    return pl.when(alone).then(pl.col(messages).list.last().struct.field("content")).otherwise(spoken)
