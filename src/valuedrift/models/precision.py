"""The precision in which models answer and judge."""

from __future__ import annotations

import torch


def asking_precision() -> torch.dtype:
    """Return bf16 on a GPU and fp32 on a CPU, for every backend and any precision of the saved weights.

    By default vLLM would convert fp32 weights to 16 bits on a CPU too.
    """
    return torch.bfloat16 if torch.cuda.is_available() else torch.float32
