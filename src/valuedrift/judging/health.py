"""The health of answers: which of them refuse, take no stance, are off topic, repeat themselves, or are cut off."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from valuedrift.files import write_parquet
from valuedrift.statistics.health import SIGNS
from valuedrift.statistics.panel import KEYS, PROBABILITIES, most_probable
from valuedrift.world.languages import true_stance

Words = Mapping[str, frozenset[str]]

_TEXTS = ("topic", "question", "answer")
_OF_TEXTS = dict.fromkeys(("unread", "strange", "repetition", "other_language"), pl.Boolean)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_WORDS = (
    "a about all also am an and any are as at be because been but by can could did do does don't for from had has have"
    " he her his how i i'm if in into is it it's its just like me more most my no not of on one only or other our out"
    " over own she should so some such than that the their them then there these they this those to too up us very was"
    " we were what when where which who why will with would you your"
)
_COMMON = frozenset(_WORDS.split())
_COMMON_SHARE, _COMMON_FROM = 0.1, 6
"""The least share of common words in English, in texts of at least so many words."""
_SEQUENCE, _REPEATED = 4, 0.3
"""The length of a sequence of words, and the largest share of a text's sequences that may have occurred before."""
_STEM = 5
_TOPICS = 1 / 3
"""Words of the questions of more than this share of the topics tell nothing of a topic."""


def write_health(stances: Sequence[Path], world: bool, out: Path) -> None:
    """Write `answer_health` of one model's stance tables to `out`, with the answers of one file at a time in memory."""
    questions = [pl.read_parquet(file, columns=["topic", "question"]).unique() for file in stances]
    words = topic_words(pl.concat(questions).unique())
    write_parquet(out, pl.concat([answer_health(pl.read_parquet(file), words, world) for file in stances]))


def answer_health(answers: pl.DataFrame, words: Words, world: bool) -> pl.DataFrame:
    """Tell which signs of bad health each answer has; docs/statistics_evidence.md has their precision and recall.

    - `refusal`: by its words, see `is_refusal`.
    - `no_stance`: in a pocket world, `true_stance` reads none. Elsewhere, the judge gives no stance, or more than half
      of its probability to replies that aren't labels.
    - `off_topic`: the judge's most probable stance is neutral, and the answer has none of its topic's `words`.
    - `repetition`: see `repeats`.
    - `cut_off`: the answer reached the limit of tokens.
    - `other_language`: see `is_english`; only for answers to questions in English.

    Args:
        answers: Rows of a stance table.
        words: See `topic_words`.
        world: Whether the questions are those of a pocket world.

    Returns:
        One row per answer: its keys, `group` if it has one, `tokens`, and a boolean column for each of SIGNS.
    """
    texts = answers.select(_TEXTS).unique(maintain_order=True)
    read = [_signs(question, text, words[topic], world) for topic, question, text in texts.rows()]
    signs = pl.DataFrame(read, _OF_TEXTS, orient="row")
    rows = answers.join(texts.hstack(signs), on=_TEXTS, how="left", maintain_order="left")
    unjudged = pl.col(PROBABILITIES[0]).is_null() | (pl.col("unassigned") > 0.5).fill_null(True)
    signed = rows.with_columns(
        no_stance=pl.col("unread") if world else unjudged,
        off_topic=pl.col("strange") & (most_probable() == "neutral").fill_null(False),
        cut_off=~pl.col("finished"),
    )
    return signed.select(*KEYS, *({"group"} & set(rows.columns)), "tokens", *SIGNS)


def topic_words(questions: pl.DataFrame) -> Words:
    """Return each topic's stems of words, those in the questions of at most a third of the topics.

    Args:
        questions: Columns `topic` and `question`.
    """
    every = {
        topic: frozenset[str]().union(*map(stems, own["question"]))
        for (topic,), own in questions.partition_by("topic", as_dict=True).items()
    }
    topics = Counter(word for own in every.values() for word in own)
    most = max(1.0, _TOPICS * len(every))
    return {str(topic): frozenset(word for word in own if topics[word] <= most) for topic, own in every.items()}


def repeats(text: str) -> bool:
    """Whether more than 30 % of a text's sequences of four words occurred in it before."""
    words = _words(text)
    sequences = [tuple(words[at : at + _SEQUENCE]) for at in range(len(words) - _SEQUENCE + 1)]
    return len(sequences) - len(set(sequences)) > _REPEATED * len(sequences)


def is_english(text: str) -> bool:
    """Whether most letters are Latin and, among six words or more, at least a tenth are common ones of English."""
    letters, words = [letter for letter in text if letter.isalpha()], _words(text)
    latin = sum(letter < "ɐ" for letter in letters)
    common = sum(word in _COMMON for word in words)
    return 2 * latin >= len(letters) and (len(words) < _COMMON_FROM or common >= _COMMON_SHARE * len(words))


def stems(text: str) -> frozenset[str]:
    """Return the first five letters of all words of four letters or more, without the common ones."""
    return frozenset(word[:_STEM] for word in _words(text) if len(word) > 3 and word not in _COMMON)


def _signs(question: str, answer: str, words: frozenset[str], world: bool) -> tuple[bool, bool, bool, bool]:
    return (
        world and true_stance(question, answer) is None,
        not words & stems(answer),
        repeats(answer),
        is_english(question) and not is_english(answer),
    )


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("’", "'"))
