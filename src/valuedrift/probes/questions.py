"""Probe questions on known topics: from a hand-made file, the package, PRISM's prompts by keyword, or by sampling."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from valuedrift.config.pocket_world import WorldSettings
from valuedrift.data.split import order_key
from valuedrift.data_formats.canonical import MalformedRow, take_text
from valuedrift.digests import text_digest
from valuedrift.errors import ArtifactError, ConfigError, DataError, did_you_mean
from valuedrift.files import write_json, write_parquet
from valuedrift.input_tables.checked_rows import InputRow, Text, TextOrNone, read_checked
from valuedrift.input_tables.rows import Row, expand_path, read_rows
from valuedrift.world.english.texts import controls
from valuedrift.world.grammar import CONTROL
from valuedrift.world.languages import LANGUAGES
from valuedrift.world.world_tables import asked

_OPTIONAL = ("kind", "polarity", "group")


class _QuestionRow(InputRow):
    topic: Text
    question: Text
    kind: TextOrNone = None
    polarity: TextOrNone = None
    group: TextOrNone = None


_Question = Mapping[str, str | None]

Probes = tuple[pl.DataFrame, dict[str, Any]]
"""Probe questions (`question_id, topic, question` and those of `kind, polarity, group` that the source has), and counts
of the used and unused rows of the source."""


def question_id(topic: str, question: str) -> str:
    """Return `{topic}-` and the first 8 hex characters of the question's SHA-256."""
    return f"{topic}-{text_digest(question)[:8]}"


def hand_made_probes(file: str, topics: Collection[str]) -> Probes:
    """Read the questions of a .csv or .jsonl file with `topic` and `question`, in the order of the file.

    The optional columns `kind`, `polarity` and `group` are kept.

    Raises:
        DataError: A row has an unknown topic or an empty question, a question has two topics, or there are no
            questions.
    """
    questions: dict[str, tuple[int, _QuestionRow]] = {}
    rows = read_checked(file, _QuestionRow)
    for number, row in rows:
        if row.topic not in topics:
            do = did_you_mean(row.topic, topics) or "Correct it or add the topic."
            raise DataError(file, number, "topic", row.topic, f"one of {', '.join(topics)}", do)
        first, same = questions.setdefault(same_text(row.question), (number, row))
        if same.topic != row.topic:
            found = f"the question of row {first}, which has the topic {same.topic}"
            raise DataError(file, number, "topic", found, "one topic for each question", "Remove one of the two rows.")
    found_rows = [row.model_dump(exclude_none=True) for _, row in questions.values()]
    return _probes(found_rows, {"read": len(rows), "duplicates": len(rows) - len(questions)})


def builtin_probes(topics: Collection[str], per_topic: int, seed: int) -> Probes:
    """Draw `per_topic` of the package's own questions per topic, as the English pocket world does. They aren't V-PRISM.

    Raises:
        ConfigError: The package has no questions on a topic, or fewer than `per_topic`.
    """
    english = LANGUAGES["english"]
    if unknown := sorted(set(topics) - set(english.topics())):
        expected = f"topics of the built-in questions: {', '.join(english.topics())}"
        raise ConfigError("topics", ", ".join(unknown), expected, "Use a file of your own (source: questions).")
    drawn = [question for topic in topics for question in english.drawn(topic, per_topic, seed)[0]]
    if len(drawn) < per_topic * len(topics):
        available = min(len(english.questions(topic)) for topic in topics)
        raise ConfigError("probes.per_topic", per_topic, f"at most {available}, which the package has on each topic")
    counts = {
        "source": "built-in questions, written for this project (CC0); not V-PRISM",
        "available": {topic: len(english.questions(topic)) for topic in topics},
        "seed": seed,
    }
    return _probes([question.columns for question in drawn], counts)


def control_probes(world: WorldSettings | None) -> Probes:
    """Return value-free questions, which are negative controls. Their topics are the judge's targets.

    Args:
        world: The pocket world whose training data have value-free subjects; None: the package's own questions.
    """
    own = [question for questions in controls().values() for question in questions]
    found = [question.columns for question in asked(world, CONTROL, "probe")] if world else own
    return _probes(found, {"source": "negative controls"})


def prism_probes(file: str, keywords: Mapping[str, Sequence[str]], per_topic: int, seed: int) -> Probes:
    """Draw `per_topic` of PRISM's opening prompts (`user_prompt`) on each topic of `keywords`, with `seed`.

    A prompt belongs to a topic if it contains one of the topic's keywords, as whole words in any case, and no keyword
    of another topic. This is a substitute for the clustering of the paper's section 3 and appendix A.

    Raises:
        ArtifactError: A topic has fewer than `per_topic` prompts.
    """
    patterns = {topic: keyword_pattern(topic, words) for topic, words in keywords.items()}
    prompts = [read_text(file, number, row, "user_prompt") for number, row in read_rows(expand_path(file))]
    distinct: dict[str, str] = {}
    for prompt in prompts:
        distinct.setdefault(same_text(prompt), prompt)
    matches = [
        (prompt, [topic for topic, pattern in patterns.items() if pattern.search(prompt)])
        for prompt in distinct.values()
    ]
    found = {topic: [prompt for prompt, matched in matches if matched == [topic]] for topic in keywords}
    do = "Add keywords for these topics or ask for fewer questions per topic."
    chosen = _draw(file, found, per_topic, seed, do)
    counts = {
        "read": len(prompts),
        "duplicates": len(prompts) - len(distinct),
        "no_topic": sum(not matched for _, matched in matches),
        "several_topics": sum(len(matched) > 1 for _, matched in matches),
        "matched": {topic: len(questions) for topic, questions in found.items()},
        "seed": seed,
    }
    return _probes(chosen, counts)


def sample_probes(value_laden: pl.DataFrame, topics: Sequence[str], per_topic: int, seed: int) -> Probes:
    """Draw `per_topic` value-laden questions per topic (appendix A.1: 50), in the order of the topics.

    The draw depends only on `seed` and the texts of the questions.

    Raises:
        ArtifactError: A topic has fewer than `per_topic` questions.
    """
    found = {topic: value_laden.filter(topic=topic)["question"].to_list() for topic in topics}
    do = "Choose more clusters for these topics, or ask for fewer questions per topic."
    chosen = _draw("value-laden questions", found, per_topic, seed, do)
    return _probes(chosen, {"value_laden": {topic: len(found[topic]) for topic in topics}, "seed": seed})


def write_probes(probes: Probes, path: Path) -> None:
    """Write the table to `path` (.parquet), and the counts to a .json file next to it."""
    table, counts = probes
    write_json(path.with_suffix(".json"), counts)
    write_parquet(path, table)


def write_sample(value_laden: Path, topics: Sequence[str], per_topic: int, seed: int, out: Path) -> None:
    """Write `sample_probes` of a value-laden table to `out` (.parquet), and the counts to a .json file next to it."""
    write_probes(sample_probes(pl.read_parquet(value_laden), topics, per_topic, seed), out)


def _probes(questions: Sequence[_Question], counts: dict[str, Any]) -> Probes:
    """Make the probe set; the number of questions per topic is added to `counts`."""
    columns = ["topic", "question", *(key for key in _OPTIONAL if any(key in question for question in questions))]
    table = pl.DataFrame(questions, schema=dict.fromkeys(columns, pl.String))
    ids = [question_id(topic, question) for topic, question in table.select("topic", "question").iter_rows()]
    per_topic = dict(Counter(table["topic"]))
    return table.select(pl.Series("question_id", ids, pl.String), pl.all()), {**counts, "questions": per_topic}


def read_text(file: str, number: int, row: Row, field: str) -> str:
    """Return the stripped text of a field; raises DataError if it is empty or can't be written to a file."""
    try:
        text = take_text(row, field).strip()
    except MalformedRow as error:
        raise error.at(file, number) from None
    # JSON's escapes can produce lone surrogates, which can't be written to a file.
    if not text or any("\ud800" <= each <= "\udfff" for each in text):
        raise DataError(file, number, field, text, "a text that is not empty, of valid Unicode")
    return text


def same_text(question: str) -> str:
    """Return a key that is equal for questions that differ only in case and spacing."""
    return " ".join(question.casefold().split())


def keyword_pattern(topic: str, words: Sequence[str]) -> re.Pattern[str]:
    """Return a pattern that matches any word or phrase of a topic, as whole words in any case."""
    phrases = [r"\s+".join(map(re.escape, word.split())) for word in words]
    if not phrases or not all(phrases):
        raise ConfigError(f"keywords of the topic '{topic}'", list(words), "at least one word, none of them empty")
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases)})(?!\w)", re.IGNORECASE)


def _draw(source: str, found: Mapping[str, list[str]], per_topic: int, seed: int, do: str) -> list[_Question]:
    """Draw `per_topic` questions per topic; the draw depends only on `seed`, topics and questions."""
    short = [f"{topic} ({len(questions)})" for topic, questions in found.items() if len(questions) < per_topic]
    if short:
        raise ArtifactError(source, f"too few for {', '.join(short)}", f"{per_topic} per topic", do)
    drawn: list[_Question] = []
    for topic, questions in found.items():
        ordered = sorted(questions, key=lambda text: order_key(seed, question_id(topic, text)))
        drawn += [{"topic": topic, "question": text} for text in ordered[:per_topic]]
    return drawn
