"""The card of a prepared data set: its source, the rows left out, the rows kept, and a few shortened example rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl

from valuedrift.config.data_sets import DataSettings
from valuedrift.data_formats.canonical import Kind, Message
from valuedrift.data_formats.world_format import STANCE_COLUMNS, STANCES
from valuedrift.digests import file_digest
from valuedrift.input_tables.rows import expand_path
from valuedrift.visible_text import visible

Card = dict[str, Any]
Example = dict[str, Any]

_SETTINGS = ("name", "licence", "format", "kind", "seed", "duplicates", "empty_answers")
_DONE: Mapping[str, str] = {"drop": "dropped", "keep": "kept"}
_LENGTH_EDGES = (0, 1, *(2**power for power in range(6, 18)))
_PARTS: Mapping[Kind, Mapping[str, pl.Expr]] = {
    "sft": {"conversation": pl.col("messages"), "last answer": pl.col("messages").list.tail(1)},
    "preference": {"prompt": pl.col("prompt"), "chosen": pl.col("chosen"), "rejected": pl.col("rejected")},
}

# Of the examples:
_ROWS = 3
_TURNS = 4  # of a conversation or prompt
_CHARACTERS = 500  # of a turn


def make_card(
    settings: DataSettings, kind: Kind, seed: int, counts: Mapping[str, Any], kept: pl.LazyFrame, train: pl.LazyFrame
) -> Card:
    """Return the card: source, licence, `counts`, lengths of `kept`, and examples and planted stances of `train`."""
    return {
        "name": settings.name,
        "title": settings.title,
        "licence": settings.licence,
        "format": settings.format,
        "kind": kind,
        "seed": seed,
        "duplicates": settings.duplicates,
        "empty_answers": settings.empty_answers,
        "source": _source(settings),
        "counts": dict(counts),
        "lengths": length_histogram(kept, kind),
        "planted": planted_shares(train),
        "examples": take_examples(train, kind),
    }


def length_histogram(table: pl.LazyFrame, kind: Kind) -> dict[str, list[dict[str, int]]]:
    """Return the number of rows by length in characters, {part: [{from, rows}]}; a bin ends before the next `from`.

    The parts are conversation and last answer for SFT; prompt, chosen and rejected for preference pairs.
    """
    lengths = table.select(**{part: _characters(messages) for part, messages in _PARTS[kind].items()})
    return {part.name: _histogram(part) for part in lengths.collect(engine="streaming")}


def planted_shares(train: pl.LazyFrame) -> list[dict[str, Any]]:
    """Return the share of each planted stance among the rows of a topic: [{column, topic, stance, share}].

    The list is empty if the table has no `topic` or no stance column. Rows with a null topic or stance don't count.
    """
    columns = train.collect_schema().names()
    if "topic" not in columns:
        return []
    return [share for column in STANCE_COLUMNS if column in columns for share in _shares(train, column)]


def card_markdown(card: Card) -> str:
    """Return the card as Markdown, for people."""
    counts = card["counts"]
    steps = [("read", counts["read"])]
    steps += [(f"skipped: {reason}", rows) for reason, rows in counts["skipped"].items()]
    steps += [(name, counts[name]) for name in ("usable", "duplicates", "sampled", "train", "validation")]
    parts = [
        f"# {card['title']}",
        _table(("", ""), [(key, card[key]) for key in _SETTINGS]),
        "## Source",
        _source_table(card["source"]),
        "## Rows",
        _table(("step", "rows"), steps),
        f"`duplicates` are rows with the texts of another row; here they are {_DONE[card['duplicates']]}.",
        "## Length in characters",
        _length_table(card["lengths"]),
    ]
    if card["planted"]:
        rows = [(p["column"], p["topic"], p["stance"], f"{p['share']:.3f}") for p in card["planted"]]
        parts += ["## Planted stances, training rows", _table(("column", "topic", "stance", "share"), rows)]
    parts += ["## Examples, the first training rows, shortened", examples_markdown(card["examples"])]
    return "\n\n".join(parts) + "\n"


def _source(settings: DataSettings) -> dict[str, Any]:
    """Return the data set's name on the hub, or each file's path in the configuration and the SHA-256 of its bytes."""
    if settings.hub:
        return {"hub": settings.hub.model_dump(exclude_none=True)}
    return {"files": [{"path": file, "sha256": file_digest(expand_path(file))} for file in settings.files]}


def _characters(messages: pl.Expr) -> pl.Expr:
    return messages.list.eval(pl.element().struct.field("content").str.len_chars()).list.sum()


def _histogram(lengths: pl.Series) -> list[dict[str, int]]:
    rows, _ = np.histogram(lengths.to_numpy(), bins=[*_LENGTH_EDGES, np.inf])
    return [{"from": edge, "rows": int(count)} for edge, count in zip(_LENGTH_EDGES, rows, strict=True)]


def _shares(train: pl.LazyFrame, column: str) -> list[dict[str, Any]]:
    pairs = train.select("topic", column).drop_nulls().group_by("topic", column).len()
    stances = pairs.collect(engine="streaming").rows()
    rows = {(topic, stance): count for topic, stance, count in stances}
    topics = sorted({topic for topic, _ in rows})
    totals = {topic: sum(rows.get((topic, stance), 0) for stance in STANCES) for topic in topics}
    return [
        {"column": column, "topic": topic, "stance": stance, "share": rows.get((topic, stance), 0) / totals[topic]}
        for topic in topics
        for stance in STANCES
    ]


def _source_table(source: Mapping[str, Any]) -> str:
    if "hub" in source:
        return _table(("", ""), source["hub"].items())
    return _table(("file", "SHA-256"), [(f"`{file['path']}`", f"`{file['sha256']}`") for file in source["files"]])


def _length_table(lengths: Mapping[str, list[dict[str, int]]]) -> str:
    counts = zip(*([entry["rows"] for entry in histogram] for histogram in lengths.values()), strict=True)
    rows = [(edge, *row) for edge, row in zip(_LENGTH_EDGES, counts, strict=True)]
    return _table(("from", *lengths), rows)


def _table(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    return "\n".join(map(_line, [header, ("---",) * len(header), *rows]))


def _line(cells: tuple[object, ...]) -> str:
    shown = [str(cell).replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(shown)} |"


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
