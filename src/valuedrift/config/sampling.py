"""How checkpoints answer, and what they are scored on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from valuedrift.config.chat import Chat
from valuedrift.config.section import Count, NotNegative, Section, Several, Text

SHARD = 2

Precision = Literal["float32", "bfloat16"]


class _Sampling(Section):
    answers: Count
    """Answers per question."""
    temperature: NotNegative
    """Sampling temperature."""
    max_tokens: Count
    """Maximum length of an answer in tokens."""
    batch_size: Count
    """Answers generated in one forward pass; in fp32 it doesn't change the answers."""
    precision: Precision | None = None
    """Precision of the weights (default bfloat16 on GPUs, float32 on CPUs). In bfloat16, processors with AVX512_BF16
    answer several times as fast, but answers depend on their batch."""


class Sampling(_Sampling):
    """How answers are drawn, as jobs read it (section 3)."""

    seed: int
    chat: Chat = Chat()


class Generation(_Sampling):
    """How checkpoints answer (section 3)."""

    engine: Literal["auto", "vllm", "transformers"] = "auto"
    """The engine that generates answers; auto: vLLM on GPUs where it is installed, else transformers."""
    shard: Count = SHARD
    """Checkpoints per process; runs with more checkpoints are split into several jobs. Of checkpoints on the hub, at
    most two shards are on disk at a time."""


class DownstreamSettings(Section):
    """Tasks of lm-evaluation-harness on which checkpoints are scored, on request (table 17)."""

    tasks: Several[Text]
    """Tasks of the harness, such as piqa, or tasks of YAML files in `include_path`."""
    shots: Annotated[int, Field(ge=0)]
    """Solved examples in each prompt (the paper has 5)."""
    batch_size: Count
    """Requests per forward pass."""
    include_path: Text | None = None
    """A folder with your own tasks in the harness's YAML format."""
    limit: Count | None = None
    """Questions per task, from its first (default all)."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Data type of the weights during scoring; auto: as saved."""
