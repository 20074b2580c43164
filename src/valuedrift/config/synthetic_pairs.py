"""Which questions synthetic pairs answer, and how their answers are written (section 6.1, appendix E)."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from valuedrift.config.section import Count, Invalid, NotNegative, Section, Several, Share, Text
from valuedrift.config.sources import Encoder


class RetrievalSettings(Section):
    """Which questions are taken; docs/synthetic.md explains the choice of the defaults."""

    total: Count
    """Number of questions, over all topics."""
    nearest: Count = 5
    """Number of nearest probes of a topic over which a question's score is averaged."""
    minimum: Share = 0.45
    """Minimum score (mean cosine)."""
    duplicate: Share = 0.95
    """Two questions with this cosine or above count as the same."""


class SyntheticRetrieval(RetrievalSettings):
    """Which questions are taken."""

    longest: Count
    """Maximum length of a question in characters."""


class Writing(Section):
    """How answers are written and checked."""

    template: Text = "writer"
    """A template of the package (writer), or the path of your own template."""
    temperature: NotNegative = 0.7
    """Sampling temperature."""
    max_tokens: Count = 512
    """Maximum length of an answer in tokens."""
    attempts: Count = 3
    """Maximum number of attempts per answer, each with another seed."""
    minimum: Share = 0.5
    """Minimum probability that the judge gives to the requested stance."""

    @model_validator(mode="after")
    def _attempts_differ(self) -> Self:
        if self.attempts > 1 and self.temperature == 0:
            raise Invalid("temperature", self.temperature, "more than 0, or every attempt is the same")
        return self


class WriterSettings(Writing):
    """How answers are written, as the job reads it."""

    seed: int


class Synthetic(Section):
    """Pairs with a planted value gap (section 6.1), written to results/synthetic/<suite>/{support,oppose}.parquet."""

    from_: Several[str] = Field(alias="from")
    """Preference sets whose opening questions are answered; keys of `data`."""
    writer: str
    """A key of `llms`; this chat model writes the answers."""
    embedding: Encoder
    """The sentence encoder that finds questions on a topic, as `expression.model`."""
    retrieval: SyntheticRetrieval
    writing: Writing
