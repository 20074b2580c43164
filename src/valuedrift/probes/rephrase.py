"""PRISM's opening prompts as questions, minimally rephrased by a chat model (appendix A.1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from valuedrift.config.chat_models import LlmSettings
from valuedrift.data.rows import Row, expand_path, read_rows
from valuedrift.data_formats.canonical import MalformedRow, take_text
from valuedrift.errors import ArtifactError, DataError
from valuedrift.files import write_json, write_parquet
from valuedrift.probes.asking import Unusable, ask_each, unusable, write_counts
from valuedrift.probes.questions import same_text
from valuedrift.templates import fill_template

_FIELDS = (("id", "user_prompt"), ("conversation_id", "opening_prompt"))
_SCHEMA = pl.Schema({"id": pl.String, "prompt": pl.String, "question": pl.String})
_MAX_TOKENS = 512
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"))


@dataclass(frozen=True)
class Prompts:
    """Id → distinct prompt, the number of rows in the source, and how many were left out as duplicates."""

    texts: dict[str, str]
    read: int
    duplicates: int


def read_prompts(source: str) -> Prompts:
    """The prompts of a file with `id` and `user_prompt`, or with PRISM's own `conversation_id` and `opening_prompt`.

    A prompt that differs from an earlier one only in case and spacing is a duplicate.

    Raises:
        DataError: A field is missing or empty, an id is repeated, or the file has no prompts.
    """
    texts: dict[str, str] = {}
    ids: set[str] = set()
    seen: set[str] = set()
    for number, row in read_rows(expand_path(source)):
        id, prompt = _read_row(source, number, row)
        if id in ids:
            raise DataError(source, number, "id", id, "each id once")
        ids.add(id)
        if same_text(prompt) not in seen:
            seen.add(same_text(prompt))
            texts[id] = prompt
    if not texts:
        raise DataError(source, None, "user_prompt", "no rows", "at least one prompt")
    return Prompts(texts, len(ids), len(ids) - len(texts))


def write_rephrased(source: str, template: str, llm: LlmSettings, journal: Path, out: Path) -> None:
    """Rephrase the prompts of `source` with a chat model, and write `id, prompt, question` to `out` (.parquet).

    Prompts whose reply is unusable are dropped, as many of them are no questions; so are questions that equal an
    earlier one. Counts, and each unusable reply with its reason, are written beside it (.json).

    Raises:
        ArtifactError: More than `asking.MOST_UNUSABLE` of the replies are unusable.
        ValueDriftError: As `valuedrift.llm.complete.complete` does.
    """
    prompts = read_prompts(source)
    texts = [fill_template(template, prompt=prompt) for prompt in prompts.texts.values()]
    replies = ask_each(texts, _MAX_TOKENS, llm, journal)
    asked = zip(prompts.texts.items(), replies, strict=True)
    read = {id: _read_question(prompt, reply) for (id, prompt), reply in asked}
    table = _questions(prompts, {id: reply for id, reply in read.items() if isinstance(reply, str)})
    write_counts(out.with_suffix(".json"), read, _counts(prompts, table))
    write_parquet(out, table)


def write_as_asked(source: str, out: Path) -> None:
    """Write the same as `write_rephrased` without a chat model: every prompt is its own question."""
    prompts = read_prompts(source)
    table = _questions(prompts, prompts.texts)
    write_json(out.with_suffix(".json"), _counts(prompts, table))
    write_parquet(out, table)


def read_questions(path: Path) -> pl.DataFrame:
    """Read a table of `write_rephrased` or `write_as_asked`; raises ArtifactError for any other table."""
    table = pl.read_parquet(path)
    if table.schema != _SCHEMA or table.is_empty() or not table["question"].is_unique().all():
        found = f"{table.height} rows of {', '.join(table.columns)}"
        raise ArtifactError(path, found, "distinct questions with id, prompt and question", "Make the table again.")
    return table


def _read_row(source: str, number: int, row: Row) -> tuple[str, str]:
    id_field, prompt_field = next((fields for fields in _FIELDS if fields[0] in row), _FIELDS[0])
    try:
        id, prompt = take_text(row, id_field).strip(), take_text(row, prompt_field).strip()
    except MalformedRow as error:
        raise error.at(source, number) from None
    for field, text in ((id_field, id), (prompt_field, prompt)):
        if not text or not _is_unicode(text):
            raise DataError(source, number, field, text, "a text that is not empty, of valid Unicode")
    return id, prompt


def _is_unicode(text: str) -> bool:
    """False for lone surrogates, which JSON escapes can produce but which can't be written to a file."""
    return not any("\ud800" <= each <= "\udfff" for each in text)


def _read_question(prompt: str, reply: str | Unusable) -> str | Unusable:
    """The question in a reply, without quotes: one line that ends with "?" and is not much longer than the prompt."""
    if isinstance(reply, Unusable):
        return reply
    question = " ".join(reply.split())
    for opening, closing in _QUOTES:
        if len(question) > 1 and question.startswith(opening) and question.endswith(closing):
            question = question[1:-1].strip()
    if len(reply.splitlines()) > 1:
        return unusable("several lines", reply)
    if not question.endswith("?"):
        return unusable("not a question", reply)
    # A minimal change adds a few words, such as "Do you think" or "Can you tell me"; an answer adds far more.
    return question if len(question) <= 2 * len(prompt) + 100 else unusable("too long", reply)


def _questions(prompts: Prompts, questions: dict[str, str]) -> pl.DataFrame:
    distinct: dict[str, str] = {}
    for id, question in questions.items():
        distinct.setdefault(same_text(question), id)
    rows = [(id, prompts.texts[id], questions[id]) for id in distinct.values()]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _counts(prompts: Prompts, table: pl.DataFrame) -> dict[str, int]:
    return {"read": prompts.read, "duplicate_prompts": prompts.duplicates, "questions": table.height}
