"""The precision in which models answer and judge."""

from __future__ import annotations

import torch


def asking_precision() -> torch.dtype:
    """bf16 on a GPU, fp32 on a CPU, for every backend and whatever the weights are saved in.

    By default vLLM would halve fp32 on a CPU too.
    """
    return torch.bfloat16 if torch.cuda.is_available() else torch.float32
