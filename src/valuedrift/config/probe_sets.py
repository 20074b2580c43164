"""Probe sets: the value-laden questions, and how those of V-PRISM are found (appendix A)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from valuedrift.config.section import Count, Invalid, NotNegative, Section, Share, Text
from valuedrift.config.sources import Encoder


class Reduction(Section):
    """UMAP (vprism). The paper has 20 dimensions; docs/probes.md explains the choice of the other defaults."""

    neighbours: Annotated[int, Field(ge=2)] = 20
    """Number of nearest questions by cosine to which each question is connected, including itself."""
    dimensions: Count = 20
    """Dimensions of the reduced vectors."""
    min_distance: NotNegative = 0.0
    """Minimum distance between two questions; 0 places similar questions close together, which suits clustering."""
    epochs: Count = 200
    """Passes of the optimiser."""


class ReductionSettings(Reduction):
    """UMAP as the job reads it."""

    seed: int = 0


class ClusterSettings(Section):
    """HDBSCAN on the reduced vectors (vprism); docs/probes.md explains the choice of the defaults."""

    min_cluster_size: Annotated[int, Field(ge=2)] = 80
    """Smallest number of questions in a cluster."""
    min_samples: Count = 20
    """Number of neighbours in a dense neighbourhood; with a larger number, more questions become noise."""
    min_membership: Share = 0.05
    """Minimum soft membership with which a noise question joins its nearest cluster."""


_NEEDED: dict[str, set[str]] = {
    "questions": {"file"},
    "builtin": {"per_topic"},
    "prism": {"file", "per_topic"},
    "vprism": {"file", "per_topic", "embedding", "choice", "reduction", "clusters"},
}


class Probes(Section):
    """The value-laden questions."""

    source: Literal["questions", "builtin", "prism", "vprism"]
    """questions: a CSV or JSONL file with topic and question; builtin: the questions of the package, which aren't
    V-PRISM; prism: PRISM's prompts, selected by keyword; vprism: PRISM's prompts, clustered (appendix A)."""
    file: Text | None = None
    """The file (questions, prism, vprism); may begin with $VALUEDRIFT_DATA."""
    per_topic: Count | None = None
    """Questions per topic that are drawn (the paper has 50). All questions of your own file are used."""
    llm: str | None = None
    """A key of `llms`; this chat model rephrases, names and filters (vprism; default none)."""
    embedding: Encoder | None = None
    """The sentence encoder (vprism), as `expression.model`."""
    reduction: Reduction | None = None
    clusters: ClusterSettings | None = None
    choice: Text | None = None
    """The reviewed choice of topics: an edited copy of results/vprism/<suite>/topics.yaml (vprism)."""

    @model_validator(mode="after")
    def _has_what_its_source_needs(self) -> Self:
        needed, given = _NEEDED[self.source], self.model_fields_set - {"source"}
        for key in sorted(needed - given):
            raise Invalid(key, None, f"a value with source {self.source}")
        for key in sorted(given - needed - ({"llm"} if self.source == "vprism" else set())):
            raise Invalid(key, getattr(self, key), f"no such key with source {self.source}")
        return self
