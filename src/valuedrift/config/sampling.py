"""How checkpoints answer, and what they are scored on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from valuedrift.config.section import Count, NotNegative, Section, Several, Text


class _Sampling(Section):
    answers: Count
    """Answers per question."""
    temperature: NotNegative
    """Sampling temperature."""
    max_tokens: Count
    """Longest answer in tokens."""
    batch_size: Count
    """Answers drawn in one forward pass; it changes no answer."""


class Sampling(_Sampling):
    """How answers are drawn, as jobs read it (section 3)."""

    seed: int


class Generation(_Sampling):
    """How checkpoints answer (section 3)."""

    engine: Literal["auto", "vllm", "transformers"] = "auto"
    """What answers; auto: vLLM on GPUs where it is installed."""
    shard: Count
    """Checkpoints that one process answers for; longer runs are cut into several jobs."""


class DownstreamSettings(Section):
    """What checkpoints are scored on by lm-evaluation-harness (table 17), where that is asked for."""

    tasks: Several[Text]
    """The harness's tasks, such as piqa, or those of YAML files in `include_path`."""
    shots: Annotated[int, Field(ge=0)]
    """Solved examples in each prompt (the paper has 5)."""
    batch_size: Count
    """Requests in one forward pass."""
    include_path: Text | None = None
    """A folder with tasks of your own in the harness's YAML format."""
    limit: Count | None = None
    """Questions of each task (default all)."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Type of the weights while they score; auto: as saved."""
