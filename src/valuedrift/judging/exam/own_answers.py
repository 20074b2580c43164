"""Read a file of labelled answers for an exam of your own."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from valuedrift.errors import DataError
from valuedrift.input_tables.checked_rows import (
    InputRow,
    Note,
    ScaleLabel,
    Text,
    TextOrNone,
    read_checked,
    refuse_repeated,
)
from valuedrift.judging.stances import TEXTS

_NAME = re.compile(r"\w[\w -]*")
_GROUPS = ("kind", "polarity")


class _ExamRow(InputRow):
    topic: Text
    question: Text
    answer: Note
    true_stance: ScaleLabel
    kind: TextOrNone = None
    polarity: TextOrNone = None


def read_own_answers(file: Path) -> pl.DataFrame:
    """Read a table with `topic, question, answer, true_stance` and, optionally, `kind` and `polarity` of the question.

    A refusal is neutral. Each row counts as a case of its own: nothing is known about rows that depend on each other.

    Raises:
        DataError: A value is missing or of another kind, or an answer occurs twice; the error names the row.
    """
    rows = read_checked(file, _ExamRow)
    for number, row in rows:
        for name in ("topic", *_GROUPS):  # they are shown in tables as they are
            if (value := getattr(row, name)) and not _NAME.fullmatch(value):
                raise DataError(file, number, name, value, "a name of letters, digits, _, - and spaces")
    refuse_repeated(file, [(number, (row.topic, row.question, row.answer)) for number, row in rows], "the answer")
    groups = [name for name in _GROUPS if any(getattr(row, name) for _, row in rows)]
    return pl.DataFrame(
        [
            {
                **{name: getattr(row, name) for name in TEXTS},
                **{name: getattr(row, name) or "none" for name in groups},
                "true_stance": "neutral" if row.true_stance == "refusal" else row.true_stance,
                "said": str(number),
            }
            for number, row in rows
        ]
    )
