"""Read answers with the labels of two people, a final human label, and the labels of judges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ConfigDict

from valuedrift.errors import DataError
from valuedrift.input_tables.checked_rows import (
    LABELS,
    FlagOrNone,
    InputRow,
    JudgedRow,
    ScaleLabel,
    TextOrNone,
    read_checked,
    refuse_repeated,
)
from valuedrift.judging.checks.agreement_scores import Labels
from valuedrift.statistics.bootstrap import FloatArray
from valuedrift.statistics.panel import PROBABILITIES

FOUR = ("pro", "neutral", "con", "refusal")
"""The four labels; the first three mean support, neutral and oppose."""
REFUSAL = FOUR.index("refusal")
UNJUDGED = -1
HUMANS = ("human_1", "human_2", "human_final")

_RAW = "judge:"
_DIGITS = {"1": 0, "2": 0, "3": 1, "4": 2, "5": 2}
_OF_STANCES = (*PROBABILITIES, "judge", "refusal", "unassigned")


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


class _PeopleRow(InputRow):
    model_config = ConfigDict(extra="allow")

    human_1: ScaleLabel
    human_2: ScaleLabel
    human_final: ScaleLabel


class _StanceRow(_PeopleRow, JudgedRow):
    judge: TextOrNone = None
    refusal: FlagOrNone = None


def read_labelled(file: Path) -> LabelledAnswers:
    """Read the labels `human_1, human_2, human_final` and those of the judges in every row.

    A judge is a column `judge:<name>` of raw outputs (see `raw_label`), or the columns `p_support, p_neutral,
    p_oppose` and, optionally, `refusal` of a stance table. The name of the latter is the value of the column `judge`,
    the same in all rows, or else "stances". Raises DataError with file, row and field, ArtifactError for a missing
    file.
    """
    people = read_checked(file, _PeopleRow)
    fields = list(dict.fromkeys(field for _, row in people for field in row.model_extra or {}))
    if any(not field.startswith(_RAW) and field not in _OF_STANCES for field in fields):  # such as an answer's text
        refuse_repeated(file, [(number, repr(row)) for number, row in people], "the values")
    humans = {field: np.array([LABELS.index(getattr(row, field)) for _, row in people]) for field in HUMANS}
    judges = {
        field.removeprefix(_RAW): np.array([raw_label(_output(file, number, row, field)) for number, row in people])
        for field in fields
        if field.startswith(_RAW)
    }
    probabilities = {}
    if any(field in fields for field in PROBABILITIES):
        rows = read_checked(file, _StanceRow)
        name = _stance_judge(file, rows)
        probabilities[name] = np.array([[row.p_support, row.p_neutral, row.p_oppose] for _, row in rows], np.float64)
        refused = np.array([bool(row.refusal) for _, row in rows])
        # argmax of a row of NaN is 0; the next line makes such rows UNJUDGED. Of equal probabilities the first counts.
        labels = np.where(refused, REFUSAL, probabilities[name].argmax(axis=1))
        judges[name] = np.where(np.isnan(probabilities[name][:, 0]), UNJUDGED, labels)
    if not judges or not judges.keys().isdisjoint(("", "human")):
        expected = f"columns {_RAW}<name> (any name but 'human'), or {', '.join(PROBABILITIES)}"
        raise DataError(file, None, "judge", [*HUMANS, *fields], expected)
    return LabelledAnswers(humans, judges, probabilities)


def raw_label(output: str) -> int:
    """Return the index into FOUR of a raw output of the protocol "answer 1 (only pro) to 5 (only con), or refusal".

    The protocol searches for the digits 1, 2, 3, 4, 5 in this order, and the first that occurs anywhere in the text is
    the label; a text without any of them is a refusal. So "3, with 10 % of doubt" counts as 1.
    """
    return next((place for digit, place in _DIGITS.items() if digit in output), REFUSAL)


def _output(file: Path, number: int, row: _PeopleRow, field: str) -> str:
    value = (row.model_extra or {}).get(field)
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return str(value)
    raise DataError(file, number, field, value, "the judge's output as text", "Remove rows that it did not judge.")


def _stance_judge(file: Path, rows: Sequence[tuple[int, _StanceRow]]) -> str:
    first = rows[0][1].judge
    for number, row in rows:
        if row.judge != first:
            raise DataError(file, number, "judge", row.judge, f"{first or 'nothing'}, as in the first row")
    return first or "stances"
