"""Random numbers and token choice that don't depend on batch, shard or order."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def answer_uniforms(seed: int, question_id: str, sample: int, length: int) -> np.ndarray:
    """`length` uniform numbers in [0, 1), one a token, for one answer.

    They depend on the seed, the question and the answer's number only: every checkpoint answers with the same
    numbers, so that differences between checkpoints are paired and less noisy (common random numbers).
    """
    digest = hashlib.sha256(f"{seed}/{question_id}/{sample}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little"))).random(length)


def choose_tokens(logits: torch.Tensor, temperature: float, uniforms: torch.Tensor) -> torch.Tensor:
    """Sample one token a row from softmax(logits / temperature) by inverting its cumulative distribution.

    logits: [answers, vocabulary]; uniforms: [answers] in [0, 1). Temperature 0 takes the most likely token.
    """
    if temperature == 0:
        return logits.argmax(dim=-1)
    cumulative = torch.softmax(logits.double() / temperature, dim=-1).cumsum(dim=-1)
    # Rounding can leave the last sum below 1: scale the number, not the distribution.
    targets = uniforms.double().unsqueeze(-1) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, targets, right=True).squeeze(-1).clamp(max=logits.shape[-1] - 1)
