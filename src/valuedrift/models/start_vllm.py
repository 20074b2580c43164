"""Start vLLM with a model in a folder, on all GPUs of the job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch


def start_vllm(folder: Path | str, dtype: torch.dtype, **options: Any) -> Any:
    """Return vLLM's `LLM`. Its layers are divided over the GPUs that the rule gives the job (`GPUS`).

    Only requests decide the sampling, not the model's generation_config.json.
    """
    from vllm import LLM

    ranks = max(1, int(os.environ.get("GPUS") or 1))
    return LLM(model=str(folder), dtype=dtype, generation_config="vllm", tensor_parallel_size=ranks, seed=0, **options)
