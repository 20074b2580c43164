"""The interface of an answering engine, and the choice between the engines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

import torch

from valuedrift.config.sampling import Sampling
from valuedrift.errors import ConfigError
from valuedrift.generation.probe_prompts import Answer, Prompt, PromptCodec
from valuedrift.models.precision import asking_precision
from valuedrift.models.weights import Checkpoint

ENGINES = ("vllm", "transformers")


class Engine(Protocol):
    """A model that loads one checkpoint after another and answers.

    Attributes:
        codec: Turns its tokens into answers; another checkpoint may have another one.
    """

    codec: PromptCodec

    def load(self, checkpoint: Checkpoint) -> str:
        """Load exactly this checkpoint's weights, and return how: "in place" or "fresh engine".

        Raises:
            ArtifactError: the engine's weights are not those that were read from the file.
        """
        ...

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Answer]:
        """Generate the answers that the prompts ask for, in the prompts' order; `sampling.answers` is ignored."""
        ...


@dataclass(frozen=True)
class EngineKind:
    """An engine and its precision. Answers of different kinds are never mixed."""

    name: str
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"{self.name} {str(self.dtype).removeprefix('torch.')}"

    def start(self, codec: PromptCodec, first: Checkpoint, prompts: Sequence[Prompt], sampling: Sampling) -> Engine:
        """Start an engine for checkpoints with the architecture of `first` and prompts up to the length of these."""
        if self.name == "vllm":
            from valuedrift.generation.vllm_engine import VllmEngine

            return VllmEngine(codec, self.dtype, prompts, sampling)
        from valuedrift.generation.transformers_engine import TransformersEngine

        return TransformersEngine(codec, first, self.dtype)


def engine_kind(setting: str, precision: str | None = None) -> EngineKind:
    """Return the engine that a setting names: "vllm", "transformers", or "auto" (vLLM if it is installed, on GPUs).

    Without `precision`, it is bf16 on GPUs and fp32 elsewhere.

    Raises:
        ConfigError: the setting is unknown, or vLLM is not installed.
    """
    if setting not in ("auto", *ENGINES):
        raise ConfigError("generation.engine", setting, f"auto, {' or '.join(ENGINES)}")
    gpu, found = torch.cuda.is_available(), find_spec("vllm")
    installed = found is not None and found.origin is not None  # a plain folder of that name has no origin
    if setting == "vllm" and not installed:
        do = "Install it in an environment of its own, or set engine to auto or transformers."
        raise ConfigError("generation.engine", setting, "vllm in the environment that answers", do)
    name = ("vllm" if gpu and installed else "transformers") if setting == "auto" else setting
    return EngineKind(name, asking_precision(precision))
