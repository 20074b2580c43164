"""Probe questions on known topics: from a file made by hand, from PRISM's prompts by keyword, or sampled."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.data.rows import Row, expand_path, read_rows
from valuedrift.data.split import order_key
from valuedrift.data_formats.canonical import MalformedRow, take_text
from valuedrift.digests import text_digest
from valuedrift.errors import ArtifactError, ConfigError, DataError
from valuedrift.files import write_json, write_parquet

_SCHEMA = pl.Schema({"question_id": pl.String, "topic": pl.String, "question": pl.String})


@dataclass(frozen=True)
class ProbeSet:
    """Probe questions, `question_id, topic, question`, and what became of the rows of their source."""

    table: pl.DataFrame
    counts: dict[str, Any]


def question_id(topic: str, question: str) -> str:
    """`{topic}-` and the first 8 hex characters of the question's SHA-256."""
    return f"{topic}-{text_digest(question)[:8]}"


def hand_made_probes(file: str, topics: Collection[str]) -> ProbeSet:
    """The questions of a .csv or .jsonl file with `topic` and `question`, in its order.

    Raises:
        DataError: A row has an unknown topic or an empty question, or the file has no questions.
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
    return _probe_set(list(questions.values()), {"read": read, "duplicates": read - len(questions)})


def prism_probes(file: str, keywords: Mapping[str, Sequence[str]], per_topic: int, seed: int) -> ProbeSet:
    """`per_topic` of PRISM's opening prompts (`user_prompt`) on each topic of `keywords`, drawn by `seed`.

    A prompt belongs to a topic if it contains one of the topic's keywords, as whole words in any case, and no keyword
    of another topic. This is a substitute for the clustering of the paper's section 3 and appendix A.

    Raises:
        DataError: A topic has fewer prompts than wanted.
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
    chosen = [(topic, question) for topic in found for question in _choose(topic, found[topic], per_topic, seed)]
    matched = {topic: len(questions) for topic, questions in found.items()}
    return _probe_set(chosen, {**counts, "matched": matched, "seed": seed})


def sample_probes(value_laden: pl.DataFrame, topics: Sequence[str], per_topic: int, seed: int) -> ProbeSet:
    """`per_topic` value-laden questions of every topic (appendix A.1: 50), in the order of the topics.

    The draw depends only on `seed` and the texts of the questions.

    Raises:
        ArtifactError: A topic has fewer questions.
    """
    found = {topic: value_laden.filter(topic=topic)["question"].to_list() for topic in topics}
    short = [f"{topic} ({len(questions)})" for topic, questions in found.items() if len(questions) < per_topic]
    if short:
        do = "Choose more clusters for these topics, or ask for fewer questions per topic."
        raise ArtifactError("value-laden questions", f"too few for {', '.join(short)}", f"{per_topic} per topic", do)
    chosen = [(topic, text) for topic in topics for text in _choose(topic, found[topic], per_topic, seed)]
    return _probe_set(chosen, {"value_laden": {topic: len(found[topic]) for topic in topics}, "seed": seed})


def write_probes(probes: ProbeSet, path: Path | str) -> None:
    """Write the table to `path` (.parquet), and the counts beside it (.json)."""
    write_json(Path(path).with_suffix(".json"), probes.counts)
    write_parquet(path, probes.table)


def write_sample(value_laden: Path, topics: Sequence[str], per_topic: int, seed: int, out: Path) -> None:
    """Write `sample_probes` of a value-laden table to `out` (.parquet), and the counts beside it (.json)."""
    write_probes(sample_probes(pl.read_parquet(value_laden), topics, per_topic, seed), out)


def _probe_set(questions: list[tuple[str, str]], counts: dict[str, Any]) -> ProbeSet:
    """The probe set of (topic, question) pairs; adds the questions per topic to `counts`."""
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
    """A key that questions share if they differ only in case and spacing."""
    return " ".join(question.casefold().split())


def keyword_pattern(topic: str, words: Sequence[str]) -> re.Pattern[str]:
    """A pattern that finds any of the words or phrases of a topic, as whole words in any case."""
    phrases = [r"\s+".join(map(re.escape, word.split())) for word in words]
    if not phrases or not all(phrases):
        raise ConfigError(f"keywords of the topic '{topic}'", list(words), "at least one word, none of them empty")
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)", re.IGNORECASE)


def _require_enough(file: str, found: Mapping[str, list[str]], per_topic: int) -> None:
    short = {topic: len(questions) for topic, questions in found.items() if len(questions) < per_topic}
    if short:
        listed = ", ".join(f"{topic}: {questions}" for topic, questions in short.items())
        do = f"Found {listed}. Add keywords for these topics or ask for fewer questions per topic."
        raise DataError(file, None, "user_prompt", f"{len(short)} topics with fewer", f"{per_topic} per topic", do)


def _choose(topic: str, questions: list[str], count: int, seed: int) -> list[str]:
    """`count` of a topic's questions; the draw depends only on `seed` and their texts."""
    return sorted(questions, key=lambda question: order_key(seed, question_id(topic, question)))[:count]
