"""What an engine is, and which one answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

import torch

from valuedrift.config.sampling import Sampling
from valuedrift.errors import ConfigError
from valuedrift.generation.checkpoint_weights import Checkpoint
from valuedrift.generation.probe_prompts import Answer, Prompt, Words

ENGINES = ("vllm", "transformers")


class Engine(Protocol):
    """A model that takes one checkpoint after another and answers."""

    def load(self, checkpoint: Checkpoint) -> str:
        """Hold exactly this checkpoint's weights, and say how they came: "in place" or "fresh engine".

        Raises ArtifactError if the engine can't be brought to hold what was read from the file.
        """
        ...

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Answer]:
        """The answers that the prompts want, in their order; `sampling.answers` is not looked at."""
        ...


@dataclass(frozen=True)
class EngineKind:
    """Which engine, in which precision. Answers of one kind are never mixed with another's."""

    name: str
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"{self.name} {str(self.dtype).removeprefix('torch.')}"

    def start(self, words: Words, first: Checkpoint, prompts: Sequence[Prompt], sampling: Sampling) -> Engine:
        """An engine for checkpoints of `first`'s architecture, and for prompts no longer than these."""
        if self.name == "vllm":
            from valuedrift.generation.vllm_engine import VllmEngine

            return VllmEngine(words, self.dtype, prompts, sampling)
        from valuedrift.generation.transformers_engine import TransformersEngine

        return TransformersEngine(words, first, self.dtype)


def engine_kind(setting: str) -> EngineKind:
    """The engine that a setting names: "vllm", "transformers", or "auto", which is vLLM on GPUs where it is installed.

    Precision is bf16 on GPUs and fp32 elsewhere. Raises ConfigError for another setting, and for vLLM where there is
    none.
    """
    if setting not in ("auto", *ENGINES):
        raise ConfigError("generation.engine", setting, f"auto, {' or '.join(ENGINES)}")
    gpu, found = torch.cuda.is_available(), find_spec("vllm")
    installed = found is not None and found.origin is not None  # a mere folder of that name has no origin
    if setting == "vllm" and not installed:
        do = "Install it in an environment of its own, or set engine to auto or transformers."
        raise ConfigError("generation.engine", setting, "vllm in the environment that answers", do)
    name = ("vllm" if gpu and installed else "transformers") if setting == "auto" else setting
    return EngineKind(name, torch.bfloat16 if gpu else torch.float32)
