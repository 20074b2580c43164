"""The chat format: how checkpoints are asked, and how runs of the pipeline are trained."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from valuedrift.config.section import Invalid, Section, Text

OWN = "own"
FORMATS = ("pocket", "chatml", "llama3")
"""The templates of the package. Runs can be trained in them."""


class Chat(Section):
    """How checkpoints are asked, and how runs of the pipeline are trained."""

    template: Text = OWN
    """`own`: the chat template that a checkpoint has itself; pocket, chatml or llama3: a template of the package, which
    training needs; or a Jinja template, as a file (its path ends with .jinja) or as text."""
    eos: Text | None = None
    """The token that ends an answer, for a template of the package."""
    pad: Text | None = None
    """The token that fills batches, for a template of the package."""
    system: Text | None = None
    """A system prompt before each question, such as /no_think (default none)."""
    arguments: dict[str, bool | int | float | str] = Field(default={})
    """Arguments of the template, such as {enable_thinking: false}."""
    plain: Literal["base", "all", "none"] = "base"
    """Who is asked in plain text, the question and "Response:", in place of a chat: base models (section 3); all, so
    that the format isn't part of the drift; or none."""
    reasoning: dict[Text, Text] = Field(default={})
    """Marks between which a model reasons, beginning → end, in addition to the usual ones such as ‹think›. Reasoning is
    not judged."""

    @property
    def is_trainable(self) -> bool:
        return self.template in FORMATS

    @model_validator(mode="after")
    def _the_template_is_there(self) -> Self:
        is_file = self.template.endswith(".jinja") and Path(self.template).is_file()
        if not (is_file or self.is_trainable or self.template == OWN or "{{" in self.template):
            raise Invalid("template", self.template, f"{OWN}, {', '.join(FORMATS)}, or a file that ends with .jinja")
        return self

    @model_validator(mode="after")
    def _tokens_go_with_a_template_of_the_package(self) -> Self:
        for key in ("eos", "pad"):
            if (getattr(self, key) is not None) != self.is_trainable:
                wanted = f"a token with the template {', '.join(FORMATS)}, and only then"
                raise Invalid(key, getattr(self, key), wanted)
        return self

    def with_text(self) -> Self:
        """Return the same format with the text of its template in place of a file's path."""
        is_file = self.template.endswith(".jinja") and "{{" not in self.template
        return self.replace(template=Path(self.template).read_text(encoding="utf-8")) if is_file else self
