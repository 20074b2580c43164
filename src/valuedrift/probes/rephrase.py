"""Rephrase PRISM's opening prompts minimally as questions, with a chat model (appendix A.1)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import DataError
from valuedrift.files import write_json, write_parquet
from valuedrift.input_tables.rows import expand_path, read_rows
from valuedrift.probes.asking import Unusable, ask_each, read_question_prompt, unusable, write_counts
from valuedrift.probes.questions import read_text, same_text
from valuedrift.templates import fill_template

_FIELDS = (("id", "user_prompt"), ("conversation_id", "opening_prompt"))
_SCHEMA = pl.Schema({"id": pl.String, "prompt": pl.String, "question": pl.String})
_MAX_TOKENS = 512
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"))


def read_prompts(source: str) -> tuple[dict[str, str], dict[str, int]]:
    """Read prompts from a file with `id` and `user_prompt`, or with PRISM's `conversation_id` and `opening_prompt`.

    A prompt that differs from an earlier one only in case and spacing is a duplicate.

    Returns:
        Id → distinct prompt, and the number of prompts (`read`) and of duplicates (`duplicate_prompts`).

    Raises:
        DataError: A field is missing or empty, an id is repeated, or the file has no prompts.
    """
    texts: dict[str, str] = {}
    first: dict[str, str] = {}
    for number, row in read_rows(expand_path(source)):
        fields = next((fields for fields in _FIELDS if fields[0] in row), _FIELDS[0])
        id, prompt = (read_text(source, number, row, field) for field in fields)
        if id in texts:
            raise DataError(source, number, "id", id, "each id once")
        texts[id] = prompt
        first.setdefault(same_text(prompt), id)
    if not texts:
        raise DataError(source, None, "user_prompt", "no rows", "at least one prompt")
    counts = {"read": len(texts), "duplicate_prompts": len(texts) - len(first)}
    return {id: texts[id] for id in first.values()}, counts


def write_rephrased(source: str, llm: LlmSettings, journal: Path, out: Path) -> None:
    """Rephrase the prompts of `source` with a chat model, and write `id, prompt, question` to `out` (.parquet).

    Prompts whose reply is unusable are dropped (many prompts aren't questions), and so are questions that differ from
    an earlier one only in case and spacing. Counts, and each unusable reply with its reason, are written to a .json
    file next to it.

    Raises:
        ArtifactError: More than `asking.MOST_UNUSABLE` of the replies are unusable.
        ValueDriftError: As `valuedrift.llm.complete.complete` does.
    """
    prompts, counts = read_prompts(source)
    template = read_question_prompt("rephrase")
    texts = [fill_template(template, prompt=prompt) for prompt in prompts.values()]
    replies = ask_each(texts, _MAX_TOKENS, _read_question, llm, journal)
    # A minimal change adds a few words, such as "Do you think" or "Can you tell me"; an answer adds far more.
    read = {
        id: unusable("too long", reply) if isinstance(reply, str) and len(reply) > 2 * len(prompt) + 100 else reply
        for (id, prompt), reply in zip(prompts.items(), replies, strict=True)
    }
    table = _questions(prompts, {id: reply for id, reply in read.items() if isinstance(reply, str)})
    write_counts(out.with_suffix(".json"), read, {**counts, "questions": table.height})
    write_parquet(out, table)


def write_as_asked(source: str, out: Path) -> None:
    """Write the files of `write_rephrased` without a chat model: each prompt is used unchanged as the question."""
    prompts, counts = read_prompts(source)
    table = _questions(prompts, prompts)
    write_json(out.with_suffix(".json"), {**counts, "questions": table.height})
    write_parquet(out, table)


def _read_question(reply: str) -> str | Unusable:
    """Return the question in a reply without quotes; it must be one line that ends with "?"."""
    question = " ".join(reply.split())
    for opening, closing in _QUOTES:
        if len(question) > 1 and question.startswith(opening) and question.endswith(closing):
            question = question[1:-1].strip()
    if len(reply.splitlines()) > 1:
        return unusable("several lines", reply)
    return question if question.endswith("?") else unusable("not a question", reply)


def _questions(prompts: Mapping[str, str], questions: Mapping[str, str]) -> pl.DataFrame:
    distinct: dict[str, str] = {}
    for id, question in questions.items():
        distinct.setdefault(same_text(question), id)
    rows = [(id, prompts[id], questions[id]) for id in distinct.values()]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")
