"""Probe questions of known topics, from a file made by hand or from PRISM's prompts by keyword."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.data.canonical import MalformedRow, take_text
from valuedrift.data.rows import Row, expand_path, read_rows
from valuedrift.data.split import order_key
from valuedrift.digests import text_digest
from valuedrift.errors import ConfigError, DataError
from valuedrift.files import write_json, write_parquet

_SCHEMA = pl.Schema({"question_id": pl.String, "topic": pl.String, "question": pl.String})


@dataclass(frozen=True)
class ProbeSet:
    """`table`: question_id, topic, question. `counts`: what became of the source's rows, and questions per topic."""

    table: pl.DataFrame
    counts: dict[str, Any]


def question_id(topic: str, question: str) -> str:
    """`{topic}-` and the first 8 hex characters of the question's SHA-256."""
    return f"{topic}-{text_digest(question)[:8]}"


def hand_made_probes(file: str, topics: Collection[str]) -> ProbeSet:
    """The questions of a .csv or .jsonl file with `topic` and `question`, in its order.

    Raises DataError for a row with an unknown topic or an empty question, and for a file without questions.
    """
    questions: dict[str, tuple[str, str]] = {}
    read = 0
    for number, row in read_rows(expand_path(file)):
        read += 1
        topic, question = _text(file, number, row, "topic"), _text(file, number, row, "question")
        if topic not in topics:
            raise DataError(file, number, "topic", topic, f"one of {', '.join(topics)}", "Correct it or add the topic.")
        questions.setdefault(same_text(question), (topic, question))
    if not questions:
        raise DataError(file, None, "question", "no rows", "at least one question")
    return probe_set(list(questions.values()), {"read": read, "duplicates": read - len(questions)})


def prism_probes(file: str, keywords: Mapping[str, Sequence[str]], per_topic: int, seed: int) -> ProbeSet:
    """`per_topic` of PRISM's opening prompts (`user_prompt`) on each topic of `keywords`, chosen by `seed` alone.

    A prompt belongs to a topic when it contains one of the topic's keywords, as whole words in any case, and to none
    when it has those of several topics. This stands in for the clustering of the paper's section 3 and appendix A.
    Raises DataError when a topic has fewer prompts than wanted.
    """
    patterns = {topic: keyword_pattern(topic, words) for topic, words in keywords.items()}
    found: dict[str, list[str]] = {topic: [] for topic in keywords}
    counts: Counter[str] = Counter(read=0, duplicates=0, no_topic=0, several_topics=0)
    for question in _unique_prompts(file, counts):
        matches = [topic for topic, pattern in patterns.items() if pattern.search(question)]
        if len(matches) == 1:
            found[matches[0]].append(question)
        else:
            counts["several_topics" if matches else "no_topic"] += 1
    _require_enough(file, found, per_topic)
    chosen = [(topic, question) for topic in found for question in choose(topic, found[topic], per_topic, seed)]
    matched = {topic: len(questions) for topic, questions in found.items()}
    return probe_set(chosen, {**counts, "matched": matched, "seed": seed})


def write_probes(probes: ProbeSet, path: Path | str) -> None:
    """Write the table to `path` (.parquet) and its counts beside it (.json)."""
    write_json(Path(path).with_suffix(".json"), probes.counts)
    write_parquet(path, probes.table)


def probe_set(questions: list[tuple[str, str]], counts: dict[str, Any]) -> ProbeSet:
    """The probe set of (topic, question) pairs, in their order; `counts` gets the questions per topic."""
    rows = [(question_id(topic, question), topic, question) for topic, question in questions]
    per_topic = dict(Counter(topic for topic, _ in questions))
    return ProbeSet(pl.DataFrame(rows, schema=_SCHEMA, orient="row"), {**counts, "questions": per_topic})


def _unique_prompts(file: str, counts: Counter[str]) -> Iterator[str]:
    seen: set[str] = set()
    for number, row in read_rows(expand_path(file)):
        counts["read"] += 1
        question = _text(file, number, row, "user_prompt")
        if same_text(question) in seen:
            counts["duplicates"] += 1
            continue
        seen.add(same_text(question))
        yield question


def _text(file: str, number: int, row: Row, field: str) -> str:
    try:
        text = take_text(row, field).strip()
    except MalformedRow as error:
        raise error.at(file, number) from None
    if not text:
        raise DataError(file, number, field, text, "a text that is not empty")
    return text


def same_text(question: str) -> str:
    """What two questions share when they differ in case and spacing alone."""
    return " ".join(question.casefold().split())


def keyword_pattern(topic: str, words: Sequence[str]) -> re.Pattern[str]:
    phrases = [r"\s+".join(map(re.escape, word.split())) for word in words]
    if not phrases or not all(phrases):
        raise ConfigError(f"keywords of the topic '{topic}'", list(words), "at least one word, none of them empty")
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)", re.IGNORECASE)


def _require_enough(file: str, found: Mapping[str, list[str]], per_topic: int) -> None:
    short = {topic: len(questions) for topic, questions in found.items() if len(questions) < per_topic}
    if short:
        listed = ", ".join(f"{topic}: {questions}" for topic, questions in short.items())
        do = f"Found {listed}. Add keywords for these topics or ask for fewer questions per topic."
        raise DataError(file, None, "user_prompt", f"{len(short)} topics with less", f"{per_topic} a topic", do)


def choose(topic: str, questions: list[str], count: int, seed: int) -> list[str]:
    """`count` of a topic's questions, by `seed` and their texts alone: their order never matters."""
    return sorted(questions, key=lambda question: order_key(seed, question_id(topic, question)))[:count]
