"""The device on which models answer and judge, and their precision there."""

from __future__ import annotations

import torch


def asking_device() -> str:
    """Return the first GPU if there is one, else the CPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def asking_precision(setting: str | None = None) -> torch.dtype:
    """Return the precision of a setting; without one, bf16 on a GPU and fp32 on a CPU, however weights are saved.

    By default vLLM would convert fp32 weights to 16 bits on a CPU too.
    """
    if setting:
        return torch.bfloat16 if setting == "bfloat16" else torch.float32
    return torch.bfloat16 if torch.cuda.is_available() else torch.float32
