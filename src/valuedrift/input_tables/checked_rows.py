"""Read a table that a person hands in. A pydantic model checks each row; errors name file, row and column."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from valuedrift.config.section import Invalid, expected_words
from valuedrift.data_formats.canonical import is_unicode
from valuedrift.errors import DataError, did_you_mean
from valuedrift.input_tables.rows import NumberedRow, expand_path, read_rows, separator

LABELS = ("support", "neutral", "oppose", "refusal")
"""The labels that a person can give an answer."""

_NOTHING = frozenset(("", "-", "n/a", "#n/a", "na", "nan", "none", "null"))
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE)
_COMMA = "decimal comma"
_WORDS = {**{label: label for label in LABELS}, "pro": "support", "con": "oppose"}
_SCALE = {"1": "support", "2": "support", "3": "neutral", "4": "oppose", "5": "oppose"}
_FLAGS = {**dict.fromkeys(("true", "yes", "1"), True), **dict.fromkeys(("false", "no", "0"), False)}


def _cell(value: Any) -> Any:
    """Return a cell's value: stripped text, whole numbers as int, and None for an empty cell, n/a or NaN."""
    if isinstance(value, str):
        value = value.strip()
        return None if value.casefold() in _NOTHING else value
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return None if math.isnan(value) else int(value) if value.is_integer() else value
    return value


def _number(value: Any, info: ValidationInfo) -> Any:
    number = _cell(value)
    if isinstance(number, str):
        # In a file with commas between the columns, 1,234 may be a thousand.
        is_clear = (info.context or {}).get(_COMMA) or not re.search(r"[1-9]\d*,\d{3}$", number)
        if is_clear and number.count(",") == 1 and "." not in number:
            number = number.replace(",", ".")
        number = float(number) if _NUMBER.fullmatch(number) else number
    if isinstance(number, (bool, str)):
        raise Invalid("", value, "a number, with a point before its decimals")
    return number


def _whole(value: Any, info: ValidationInfo) -> Any:
    # In a file with decimal commas, 1.000 may be a thousand.
    if (info.context or {}).get(_COMMA) and isinstance(value, str) and re.fullmatch(r"[1-9]\d*\.\d{3}", value.strip()):
        raise Invalid("", value, "a whole number, without a point")
    number = _number(value, info)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _text(value: Any) -> Any:
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, (int, float)) and not isinstance(text, bool) and _cell(text) is not None:
        text = str(_cell(text))
    if isinstance(text, str) and not is_unicode(text):
        raise Invalid("", value, "text of valid Unicode")
    return text or None


def _flag(value: Any) -> Any:
    value = _cell(value)
    return _FLAGS.get(str(value).casefold(), value)


def _label(value: Any) -> Any:
    value = _cell(value)
    text = str(value).casefold()
    if value is None or text in _WORDS:
        return _WORDS.get(text)
    raise Invalid("", value, f"one of {', '.join(LABELS)}", did_you_mean(text, LABELS))


def _scale(value: Any) -> Any:
    value = _cell(value)
    if not isinstance(value, bool) and (on_scale := re.fullmatch(r"([1-5])([.,]0+)?( - .*)?", str(value))):
        return _SCALE[on_scale[1]]
    if value is not None and str(value).casefold() not in _WORDS:
        raise Invalid("", value, f"1 to 5, or one of {', '.join(_WORDS)}")
    return _label(value)


LabelName = Literal["support", "neutral", "oppose", "refusal"]

Number = Annotated[float, BeforeValidator(_number)]
WholeNumber = Annotated[int, Field(ge=-(2**53), le=2**53), BeforeValidator(_whole)]
Text = Annotated[str, BeforeValidator(_text)]
Note = Annotated[str, BeforeValidator(lambda value: "" if value is None else str(value))]
ScaleLabel = Annotated[LabelName, BeforeValidator(_scale)]
"""A label, or a number from 1 (only pro) to 5 (only con)."""

# Cells that may be empty.
NumberOrNone = Annotated[float | None, BeforeValidator(_number)]
WholeNumberOrNone = Annotated[WholeNumber | None, BeforeValidator(_whole)]
TextOrNone = Annotated[str | None, BeforeValidator(_text)]
FlagOrNone = Annotated[bool | None, BeforeValidator(_flag)]
LabelOrNone = Annotated[LabelName | None, BeforeValidator(_label)]


class InputRow(BaseModel):
    """One row. Fields are columns: those without a default have to be in the file. Other columns are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    renamed: ClassVar[dict[str, str]] = {}
    """Other names of columns that files may have."""


class JudgedRow(InputRow):
    """A row with the judge's probabilities of the three stances; all three are empty for an answer without a stance."""

    p_support: NumberOrNone
    p_neutral: NumberOrNone
    p_oppose: NumberOrNone

    @model_validator(mode="after")
    def _are_a_distribution(self) -> Self:
        found = {"p_support": self.p_support, "p_neutral": self.p_neutral, "p_oppose": self.p_oppose}
        given = [p for p in found.values() if p is not None]
        for column, p in found.items():
            if (p is None and given) or not -1e-6 <= (p or 0) <= 1 + 1e-6:
                raise Invalid(column, p, "a probability, or nothing in all three columns where there is no stance")
        if given and abs(sum(given) - 1) > 1e-3:
            raise Invalid(", ".join(found), given, "three probabilities that sum to 1")
        return self


R = TypeVar("R", bound=InputRow)


def read_checked(file: Path | str, kind: type[R]) -> list[tuple[int, R]]:
    """Return the rows of a .csv, .jsonl, .json or .parquet file, with their numbers from 1. Empty rows are left out.

    In numbers, labels and names, n/a, NaN and the like are empty cells, 1.0 is 1, and 0,5 is 0.5.

    Raises:
        DataError: A column is missing, a value doesn't fit its column, or there is no row.
        ArtifactError: The file is missing or of another kind.
    """
    path = expand_path(str(file))
    rows = [(number, _renamed(row, kind)) for number, row in read_rows(path)]
    rows = [(number, row) for number, row in rows if any(_cell(value) is not None for value in row.values())]
    if not rows:
        raise DataError(file, None, next(iter(kind.model_fields)), "no rows", "one row or more")
    between = separator(path) if path.name.lower().endswith((".csv", ".csv.gz")) else None
    _require_columns(file, rows, kind, between)
    context = {_COMMA: between not in (",", None)}
    return [(number, _checked(file, number, row, kind, context)) for number, row in rows]


def refuse_repeated(file: Path | str, rows: Iterable[tuple[int, Hashable]], what: str) -> None:
    """Raise DataError if two rows have the same key, which would count twice.

    Args:
        file: The file, for the message.
        rows: Numbers and keys of rows.
        what: What the rows have in common, for the message.
    """
    first: dict[Hashable, int] = {}
    for number, key in rows:
        if key in first:
            do = "Remove one of the two, or add columns that tell them apart."
            raise DataError(file, number, "row", f"{what} as in row {first[key]}", "each once", do)
        first[key] = number


def _renamed(row: dict[str, Any], kind: type[InputRow]) -> dict[str, Any]:
    return {kind.renamed.get(name, name) if kind.renamed.get(name) not in row else name: row[name] for name in row}


def _require_columns(file: Path | str, rows: list[NumberedRow], kind: type[InputRow], between: str | None) -> None:
    columns = dict.fromkeys(name for _, row in rows for name in row)
    for name, field in kind.model_fields.items():
        if field.is_required() and name not in columns:
            separated = f", separated by {between!r}" if between else ""
            found = f"the columns {', '.join(columns)}{separated}"
            raise DataError(file, None, name, found, "this column", did_you_mean(name, columns))


def _checked(file: Path | str, number: int, row: dict[str, Any], kind: type[R], context: dict[str, bool]) -> R:
    try:
        return kind.model_validate(row, context=context)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        wrong = first.get("ctx", {}).get("error")
        if isinstance(wrong, Invalid):
            raise DataError(file, number, name or wrong.key, wrong.found, wrong.expected, wrong.do) from None
        if _cell(row.get(name)) is None:
            raise DataError(file, number, name, row.get(name), "a value", "Fill it in, or remove the row.") from None
        raise DataError(file, number, name, row.get(name), expected_words(first)) from None


class AnswerRow(InputRow):
    """The columns that identify an answer."""

    model: Text
    run: Text
    step: Annotated[WholeNumber, Field(ge=0)]
    topic: Text
    question_id: Text
    sample: Annotated[WholeNumber, Field(ge=0)]
