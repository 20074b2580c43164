"""Data sets: where their rows are, and how they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from valuedrift.config.section import Count, Section, Several, Text
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

    @property
    def source(self) -> str:
        """The source in one line, for messages and cards."""
        if self.hub:
            return f"{self.hub.name} at revision {self.hub.revision}, split {self.hub.split}"
        return ", ".join(self.files)


class DataSettings(DataSet):
    """A data set as jobs read it, with its key."""

    name: Text
