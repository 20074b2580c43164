"""Where models come from: the Hugging Face hub, or training from scratch."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from valuedrift.config.section import Count, Invalid, Section, Text


class HubModel(Section):
    """A model on the Hugging Face hub."""

    name: Text
    """Owner and name."""
    revision: Text
    """The commit."""


LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The linear layers of a model that is trained from scratch, and of most others; `lora.targets` names some of them."""


class Shape(Section):
    """The size of a model that the pipeline trains from scratch (Qwen3 architecture)."""

    vocabulary: Annotated[int, Field(ge=300)]
    """Maximum size of the BPE vocabulary, in tokens."""
    hidden: Annotated[int, Field(ge=8)]
    """Width of the hidden states."""
    layers: Count
    """Number of layers."""
    heads: Count
    """Number of attention heads: 1, or an even divisor of half of `hidden`."""
    context: Annotated[int, Field(ge=16)]
    """Maximum length of a sequence in tokens."""

    @model_validator(mode="after")
    def _heads_fit_the_width(self) -> Self:
        # Heads share keys in pairs, and rotate their dimensions in pairs.
        if self.hidden % (2 * self.heads) or (self.heads % 2 and self.heads != 1):
            raise Invalid("heads", self.heads, f"1 or an even divisor of half of hidden ({self.hidden})")
        return self
