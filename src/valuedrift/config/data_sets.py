"""Data sets: where their rows are, and how they are read."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from valuedrift.config.section import Count, Invalid, Section, Several, Text
from valuedrift.data_formats.canonical import Kind
from valuedrift.data_formats.formats import FORMATS

if TYPE_CHECKING:  # the names are known when this is imported, not to a type checker
    DataFormat = str
else:
    DataFormat = Literal[tuple(FORMATS)]

Choice = Literal["drop", "keep"]


class HubSource(Section):
    """A split of a data set on the Hugging Face hub."""

    name: Text
    """Owner and name."""
    revision: Text
    """The commit."""
    split: Text
    """The split, such as train."""
    config: Text | None = None
    """The configuration (subset), for data sets that have several."""


def train_count(rows: int, validation: float) -> int:
    """Return floor((1 - validation) * rows), exact for `validation` as written in decimals: 0.1 is one tenth."""
    return int((1 - Fraction(str(validation))) * rows)


class DataSet(Section):
    """One data set."""

    one_of: ClassVar = ("files", "hub")

    title: Text
    """The data set's name in tables and figures."""
    licence: Text
    """The data set's licence."""
    format: DataFormat
    """The format of the rows."""
    rows: Count
    """Training rows that remain after skipping, sampling and splitting; step counts are computed from it."""
    files: Several[Text] = ()
    """Local files; may begin with $VALUEDRIFT_DATA."""
    hub: HubSource | None = None
    sample: Count | None = None
    """Number of rows kept, drawn with the seed (default all)."""
    duplicates: Choice = "drop"
    """Whether rows with the same text as an earlier row are dropped or kept."""
    empty_answers: Choice = "drop"
    """Whether rows with a blank answer (the last answer, or one answer of a pair) are dropped or kept."""
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of rows that are held out for validation."""

    @model_validator(mode="after")
    def _sampled_rows_are_all_used(self) -> Self:
        train = train_count(self.sample, self.validation) if self.sample else self.rows
        if self.rows != train:
            expected = f"{train}, the training rows of {self.sample} sampled rows"
            raise Invalid("rows", self.rows, expected, "Correct rows, sample or validation.")
        return self

    @property
    def kind(self) -> Kind:
        """Whether it has conversations (sft) or pairs (preference)."""
        return FORMATS[self.format].kind

    @property
    def source(self) -> str:
        """The source in one line, for messages and cards."""
        if self.hub:
            name = " ".join(filter(None, [self.hub.name, self.hub.config]))
            return f"{name} at revision {self.hub.revision}, split {self.hub.split}"
        return ", ".join(self.files)


class DataSettings(DataSet):
    """A data set as jobs read it, with its key."""

    name: Text
