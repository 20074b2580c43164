"""Select the questions on the chosen topics that a chat model considers value-laden (appendix A.1)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import polars as pl

from valuedrift.config.chat_models import LlmSettings
from valuedrift.files import write_parquet
from valuedrift.probes.asking import Unusable, ask_each, read_question_prompt, unusable, write_counts
from valuedrift.probes.question_clusters import NOISE, clustering_hash
from valuedrift.probes.topic_choice import read_choice
from valuedrift.templates import fill_template

_MAX_TOKENS = 8
_WORD = re.compile(r"\W*(yes|no)\b(?!\W*\b(?:yes|no)\b)", re.IGNORECASE)


def on_topic(clustered: Path, choice: Path, topics: Collection[str]) -> pl.DataFrame:
    """Return the questions whose soft cluster was chosen for a topic: `id, prompt, question, topic`."""
    table = pl.read_parquet(clustered)
    clusters = set(table["soft_cluster"].unique()) - {NOISE}
    topic_of = read_choice(choice, clustering_hash(table), clusters, topics)
    topic = pl.col("soft_cluster").replace_strict(topic_of, default=None, return_dtype=pl.String)
    return table.select("id", "prompt", "question", topic=topic).drop_nulls("topic")


def write_value_laden(
    clustered: Path, choice: Path, topics: Collection[str], llm: LlmSettings, journal: Path, out: Path
) -> None:
    """Ask whether each question on a topic is value-laden, and write those answered with yes to `out` (.parquet).

    Columns: `id, prompt, question, topic`. Replies that are neither yes nor no are unusable, and their questions are
    dropped. Counts per topic, and each unusable reply, are written to a .json file next to it.

    Raises:
        ArtifactError: As `read_choice` does, or more than `asking.MOST_UNUSABLE` of the replies are unusable.
        ValueDriftError: As `valuedrift.llm.complete.complete` does.
    """
    table = on_topic(clustered, choice, topics)
    template = read_question_prompt("value_laden")
    texts = [fill_template(template, question=text) for text in table["question"]]
    answers = ask_each(texts, _MAX_TOKENS, _read_answer, llm, journal, may_be_cut=True)
    kept = table.filter(pl.Series([answer is True for answer in answers], dtype=pl.Boolean))
    counts = {name: dict(Counter(each["topic"])) for name, each in (("on_topic", table), ("value_laden", kept))}
    write_counts(out.with_suffix(".json"), dict(zip(table["id"], answers, strict=True)), counts)
    write_parquet(out, kept)


def _read_answer(reply: str) -> bool | Unusable:
    """Return True if a reply begins with yes, False if it begins with no; "Yes/No" is unusable."""
    word = _WORD.match(reply)
    return word[1].casefold() == "yes" if word else unusable("neither yes nor no", reply)
