"""A few example rows, shortened, and printed so that their texts can't act as markup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from valuedrift.data_formats.canonical import Kind, Message
from valuedrift.visible_text import visible

Example = dict[str, Any]

_ROWS = 3
_TURNS = 4  # of a conversation or prompt
_CHARACTERS = 500  # of a turn


def take_examples(train: pl.LazyFrame, kind: Kind) -> list[Example]:
    """Return the first rows of a table shuffled by its seed: [{id, turns: [{speaker, text}]}].

    A speaker is system, user or assistant, or for the two answers of a pair, chosen or rejected.
    """
    return [{"id": row["id"], "turns": _turns(row, kind)} for row in train.head(_ROWS).collect().iter_rows(named=True)]


def _turns(row: Mapping[str, Any], kind: Kind) -> list[dict[str, str]]:
    messages = row["messages"] if kind == "sft" else row["prompt"]
    turns = [_turn(message["role"], message) for message in messages[:_TURNS]]
    if kind == "preference":
        turns += [_turn(answer, message) for answer in ("chosen", "rejected") for message in row[answer]]
    return turns


def _turn(speaker: str, message: Message) -> dict[str, str]:
    return {"speaker": speaker, "text": inert(message["content"])}


def inert(text: str) -> str:
    """Return the beginning of `text`; invisible and direction-changing characters are written like ⟨U+202E⟩."""
    shown = visible(text[:_CHARACTERS])
    more = len(text) - _CHARACTERS
    return f"{shown}… ({more:,} more characters)" if more > 0 else shown


def examples_markdown(examples: list[Example]) -> str:
    """Return the examples as Markdown, each turn as an indented code block, in which markup has no effect."""
    parts = []
    for number, example in enumerate(examples, start=1):
        parts.append(f"### Example {number}: `{example['id']}`")
        for turn in example["turns"]:
            parts += [f"{turn['speaker']}:", _quote(turn["text"])]
    return "\n\n".join(parts)


def _quote(text: str) -> str:
    return "\n".join(f"    {line}" for line in (text if text.strip() else "(blank)").split("\n"))
