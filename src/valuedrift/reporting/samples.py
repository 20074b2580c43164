"""A few answers of each run on each topic, before and after, ready to be embedded in the page as JSON.

Answers are untrusted text: they leave here as plain strings, cut to a readable length, with the characters that would
change how their surroundings are displayed spelled out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from valuedrift.reporting.labels import (
    Topics,
    model_title,
    origin_title,
    require_columns,
    require_topics,
    run_order,
    run_title,
    topic_name,
)
from valuedrift.statistics.panel import PROBABILITIES, STANCES

ANSWER_COLUMNS = ("run", "step", "topic", "question_id", "question", "sample", "answer", *PROBABILITIES, "unassigned")
BASE_RUN = "base"

_PER_CELL = 3
_AT_MOST = 900
_LONGEST = 900
_KEY = ["topic", "question_id"]
# Control characters but tab and newline, and the marks that turn the direction of text.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def sample_answers(answers: pl.DataFrame, models: Sequence[str], topics: Topics) -> dict[str, Any]:
    """What the page's script reads: `runs`, `topics` and `stances` by title, and `samples` that point into them.

    answers: judged answers, with a column `model` unless there is only one of `models`. A sample is a question with
    a run's first answer at its start (its own step 0, or the last step of the run it started from) and at its last
    step; at most three a run and topic, fewer where that would be very many in all. Raises DataError on a missing
    column or an unknown topic.
    """
    require_columns(answers, "answers", ANSWER_COLUMNS if len(models) == 1 else ("model", *ANSWER_COLUMNS))
    require_topics(answers, "answers", topics)
    rows = answers if "model" in answers.columns else answers.with_columns(model=pl.lit(models[0]))
    pairs = rows.select("model", "run").unique().rows()
    runs = sorted((pair for pair in pairs if pair[1] != BASE_RUN), key=lambda pair: (pair[0], run_order(pair[1])))
    per_cell = max(1, min(_PER_CELL, _AT_MOST // max(1, len(runs) * len(topics))))
    several = len({name for name, _ in runs}) > 1
    names = list(topics)
    return {
        "stances": list(STANCES),
        "topics": [topic_name(topics, topic) for topic in names],
        "runs": [_run_name(name, run, several) for name, run in runs],
        "samples": [
            {"run": place, **sample}
            for place, (name, run) in enumerate(runs)
            for sample in _run_samples(rows.filter(pl.col("model") == name), run, names, per_cell)
        ],
    }


def plain_text(text: str) -> str:
    """`text` cut to 900 characters, with control and direction characters spelled out as ⟨U+202E⟩."""
    spelled = _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text[:_LONGEST])
    return spelled if len(text) <= _LONGEST else f"{spelled}… ({len(text):,} characters in all)"


def _run_name(model: str, run: str, several: bool) -> str:
    return (
        f"{model_title(model)}: {run_title(run)}, {origin_title(run)}"
        if several
        else f"{run_title(run)}, {origin_title(run)}"
    )


def _run_samples(rows: pl.DataFrame, run: str, topics: list[str], per_cell: int) -> Iterator[dict[str, Any]]:
    own = rows.filter(pl.col("run") == run)
    last = own["step"].max()
    after = _first_answers(own.filter(pl.col("step") == last)).group_by("topic", maintain_order=True).head(per_cell)
    before = {
        (row["topic"], row["question_id"]): row for row in _first_answers(_start(rows, run)).iter_rows(named=True)
    }
    for row in after.iter_rows(named=True):
        first = before.get((row["topic"], row["question_id"]))
        shown = [] if first is None else [_answer(first, "at the start")]
        yield {
            "topic": topics.index(row["topic"]),
            "question": plain_text(row["question"]),
            "answers": [*shown, _answer(row, f"at step {row['step']:,}")],
        }


def _start(rows: pl.DataFrame, run: str) -> pl.DataFrame:
    """The answers at a run's start point; none where they weren't judged."""
    own = rows.filter(pl.col("run") == run, pl.col("step") == 0)
    if not own.is_empty():
        return own
    parent = rows.filter(pl.col("run") == (run.rpartition("/")[0] or BASE_RUN))
    return parent.filter(pl.col("step") == pl.col("step").max())


def _first_answers(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(*_KEY, "sample").unique(_KEY, keep="first", maintain_order=True)


def _answer(row: dict[str, Any], when: str) -> dict[str, Any]:
    judged = [row[name] for name in PROBABILITIES]
    return {
        "when": when,
        "text": plain_text(row["answer"]),
        "p": None if None in judged else [round(share, 3) for share in judged],
        "unassigned": None if row["unassigned"] is None else round(row["unassigned"], 3),
    }
