"""Read a file of labelled answers for an exam of your own."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from valuedrift.data.rows import read_rows
from valuedrift.errors import DataError
from valuedrift.judging.checks.human_labels import human_label
from valuedrift.judging.stances import TEXTS
from valuedrift.statistics.panel import STANCES

_NAME = re.compile(r"\w[\w -]*")
_OPTIONAL = ("kind", "polarity")


def read_own_answers(file: Path) -> pl.DataFrame:
    """Read a table with `topic, question, answer, true_stance` and, optionally, `kind` and `polarity` of the question.

    `true_stance` is a label of people (see `human_label`); a refusal is neutral.

    Raises:
        DataError: A row lacks a text or has another label; the error names the row.
    """
    rows = []
    names = {"topic": _NAME, "kind": _NAME, "polarity": re.compile("support|oppose|none")}
    for number, row in read_rows(file):
        texts = {field: row.get(field) for field in (*TEXTS, *(name for name in _OPTIONAL if name in row))}
        for field, text in texts.items():
            if not isinstance(text, str):
                raise DataError(file, number, field, text, "a text")
            if field in names and not names[field].fullmatch(text):
                raise DataError(file, number, field, text, f"a text like {names[field].pattern}")
        label = human_label(file, number, row, "true_stance")
        # Each row is a case of its own: nothing is known about rows that depend on each other.
        rows.append({**texts, "true_stance": (*STANCES, "neutral")[label], "said": str(number)})
    if not rows:
        raise DataError(file, None, "rows", "none", "one labelled answer per row")
    return pl.DataFrame(rows)
