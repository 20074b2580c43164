"""PRISM's opening prompts as questions (appendix A.1: minimally rephrased by a chat model)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from valuedrift.config.chat_models import LlmSettings
from valuedrift.data.canonical import MalformedRow, take_text
from valuedrift.data.rows import Row, expand_path, read_rows
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
    """Distinct prompts by their id. `read`: rows of the source; `duplicates`: those left out as said before."""

    texts: dict[str, str]
    read: int
    duplicates: int


def read_prompts(source: str) -> Prompts:
    """The prompts of a file with `id` and `user_prompt`, or PRISM's own `conversation_id` and `opening_prompt`.

    A prompt that differs from an earlier one in case and spacing alone is a duplicate.
    Raises DataError for a field that is missing or empty, an id that comes twice, and a file without prompts.
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
    """Rephrase the prompts of `source` with a chat model into `out`: id, prompt, question (.parquet).

    Prompts whose reply is unusable are dropped: as they stand, they would mix statements into the questions. So are
    questions that equal an earlier one. Beside it (.json): counts, and each unusable reply with its reason.
    Raises ArtifactError where more replies are unusable than `asking.MOST_UNUSABLE`, and the errors of `complete`.
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
    """What `write_rephrased` writes, with every prompt as its own question: for runs without a chat model."""
    prompts = read_prompts(source)
    table = _questions(prompts, prompts.texts)
    write_json(out.with_suffix(".json"), _counts(prompts, table))
    write_parquet(out, table)


def read_questions(path: Path) -> pl.DataFrame:
    """The table that `write_rephrased` wrote."""
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
    """False for lone surrogates, which JSON's escapes can hold and a file of ours can't."""
    return not any("\ud800" <= each <= "\udfff" for each in text)


def _read_question(prompt: str, reply: str | Unusable) -> str | Unusable:
    """The question in a reply: one line that ends with "?", not much longer than the prompt; quotes around it go."""
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
    # A minimal change adds a few words, as "Do you think" or "Can you tell me"; an answer adds far more.
    return question if len(question) <= 2 * len(prompt) + 100 else unusable("too long", reply)


def _questions(prompts: Prompts, questions: dict[str, str]) -> pl.DataFrame:
    distinct: dict[str, str] = {}
    for id, question in questions.items():
        distinct.setdefault(same_text(question), id)
    rows = [(id, prompts.texts[id], questions[id]) for id in distinct.values()]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _counts(prompts: Prompts, table: pl.DataFrame) -> dict[str, int]:
    return {"read": prompts.read, "duplicate_prompts": prompts.duplicates, "questions": table.height}
