"""Read answers with the labels of two people, a final human label, and the labels of judges."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from valuedrift.data.rows import NumberedRow, Row, read_rows
from valuedrift.errors import DataError
from valuedrift.judging.checks.agreement_scores import Labels
from valuedrift.statistics.bootstrap import FloatArray
from valuedrift.statistics.panel import PROBABILITIES, STANCES

FOUR = ("pro", "neutral", "con", "refusal")
"""The four labels; the first three mean support, neutral and oppose."""
REFUSAL = FOUR.index("refusal")
UNJUDGED = -1
HUMANS = ("human_1", "human_2", "human_final")

_RAW = "judge:"
_DIGITS = {"1": 0, "2": 0, "3": 1, "4": 2, "5": 2}
_NAMES = {name: i for names in (FOUR, STANCES) for i, name in enumerate(names)}
_HUMAN = re.compile(r"([1-5])(?: - .*)?")


@dataclass(frozen=True)
class LabelledAnswers:
    """Labels of n answers.

    Attributes:
        humans: Column (HUMANS) → (n,) indices into FOUR.
        judges: Name → (n,) indices into FOUR, or UNJUDGED.
        probabilities: Name → (n, 3) probabilities, NaN for unjudged answers; only of the judge that gives some.
    """

    humans: dict[str, Labels]
    judges: dict[str, Labels]
    probabilities: dict[str, FloatArray]


def read_labelled(file: Path) -> LabelledAnswers:
    """Read the labels `human_1, human_2, human_final` and those of the judges in every row.

    A judge is a column `judge:<name>` of raw outputs (see `raw_label`), or the columns `p_support, p_neutral,
    p_oppose` and, optionally, `refusal` of a stance table. The name of the latter is the value of the column `judge`,
    the same in all rows, or else "stances". Raises DataError with file, row and field, ArtifactError for a missing
    file.
    """
    rows = list(read_rows(file))
    if not rows:
        raise DataError(file, None, "rows", "none", "one labelled answer per line")
    humans = {field: np.array([human_label(file, number, row, field) for number, row in rows]) for field in HUMANS}
    fields = dict.fromkeys(field for _, row in rows for field in row)
    judges = {
        field.removeprefix(_RAW): np.array([raw_label(_output(file, number, row, field)) for number, row in rows])
        for field in fields
        if field.startswith(_RAW)
    }
    probabilities = {}
    if any(field in fields for field in PROBABILITIES):
        name = _stance_judge(file, rows)
        probabilities[name] = np.array([_stances(file, number, row) for number, row in rows])
        refused = np.array([_refused(file, number, row) for number, row in rows])
        # argmax of a row of NaN is 0; the next line makes such rows UNJUDGED. Of equal probabilities the first counts.
        labels = np.where(refused, REFUSAL, probabilities[name].argmax(axis=1))
        judges[name] = np.where(np.isnan(probabilities[name][:, 0]), UNJUDGED, labels)
    if not judges or not judges.keys().isdisjoint(("", "human")):
        expected = f"columns {_RAW}<name> (any name but 'human'), or {', '.join(PROBABILITIES)}"
        raise DataError(file, None, "judge", list(fields), expected)
    return LabelledAnswers(humans, judges, probabilities)


def raw_label(output: str) -> int:
    """Return the index into FOUR of a raw output of the protocol "answer 1 (only pro) to 5 (only con), or refusal".

    The protocol searches for the digits 1, 2, 3, 4, 5 in this order, and the first that occurs anywhere in the text is
    the label; a text without any of them is a refusal. So "3, with 10 % of doubt" counts as 1.
    """
    return next((place for digit, place in _DIGITS.items() if digit in output), REFUSAL)


def human_label(file: Path, number: int, row: Row, field: str) -> int:
    """Return the index into FOUR of a person's label: 1 to 5 (or "1 - only pro"), a stance, pro, con or refusal."""
    value = row.get(field)
    text = "" if value is None or isinstance(value, bool) else str(value).strip().lower()
    match = _HUMAN.fullmatch(text)
    if match:
        return _DIGITS[match[1]]
    if text not in _NAMES:
        raise DataError(file, number, field, value, f"1 to 5, or one of {', '.join(_NAMES)}")
    return _NAMES[text]


def _output(file: Path, number: int, row: Row, field: str) -> str:
    value = row.get(field)
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    raise DataError(file, number, field, value, "the judge's output as text", "Remove rows that it did not judge.")


def _stance_judge(file: Path, rows: Sequence[NumberedRow]) -> str:
    first = rows[0][1].get("judge") or "stances"
    for number, row in rows:
        if (row.get("judge") or "stances") != first:
            raise DataError(file, number, "judge", row.get("judge"), f"'{first}', as in the first row")
    return str(first)


def _stances(file: Path, number: int, row: Row) -> list[float]:
    values: list[Any] = [row.get(field) for field in PROBABILITIES]
    if all(value is None for value in values):
        return [math.nan] * len(values)
    for field, value in zip(PROBABILITIES, values, strict=True):
        if not isinstance(value, int | float) or isinstance(value, bool) or not -1e-6 <= value <= 1 + 1e-6:
            expected = "a probability, or null in all three where there is no stance"
            raise DataError(file, number, field, value, expected)
    if abs(sum(values) - 1) > 1e-3:
        raise DataError(file, number, ", ".join(PROBABILITIES), values, "three probabilities that sum to 1")
    return values


def _refused(file: Path, number: int, row: Row) -> bool:
    value = row.get("refusal")
    if value is None or isinstance(value, bool):
        return bool(value)
    raise DataError(file, number, "refusal", value, "true or false")
