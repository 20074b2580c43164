"""The texts of training rows: the opening, which is used to find a row, and the answers to judge."""

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
    """Read all rows of a data set's tables lazily: `row, row_id, opening, question`, then the answers.

    - `row` is the row's number, to restore the order after lazy joins.
    - `opening` is the first user turn. Rows are found with it, because encoders read only the first few hundred tokens
      of a conversation, and later turns ("Yes, how do I do that?") often don't name the topic.
    - `question` and `answer` of an SFT row are its first exchange, so the judged answer is the answer to the opening.
    - `question` of a pair is the whole prompt, as a transcript if it has several turns; its answers are `chosen` and
      `rejected`.

    Args:
        tables: The data set's training and validation tables.

    Raises:
        ArtifactError: A table has neither SFT rows nor pairs.
    """
    return pl.concat([_texts(table) for table in tables]).with_row_index("row")


def roles(datapoints: pl.LazyFrame) -> tuple[Role, ...]:
    """Return the answer columns of the rows: ("answer",) or ("chosen", "rejected")."""
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


def _turn(messages: str, number: int) -> pl.Expr:
    """Return the text of turn `number`, counted from 0 after any system message."""
    after_system = pl.col(messages).list.first().struct.field("role") == "system"
    return pl.col(messages).list.get(pl.lit(number) + after_system.cast(pl.Int64)).struct.field("content")


def _transcript(messages: str) -> pl.Expr:
    """Return a single turn unchanged, and several turns with the speaker's name before each."""
    turn = pl.element().struct
    speaker = turn.field("role").replace_strict(_SPEAKERS, return_dtype=pl.String)
    spoken = pl.col(messages).list.eval(pl.format("{}: {}", speaker, turn.field("content"))).list.join("\n\n")
    alone = pl.col(messages).list.len() == 1
    return pl.when(alone).then(pl.col(messages).list.last().struct.field("content")).otherwise(spoken)
