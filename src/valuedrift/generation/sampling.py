"""Random numbers and token choice that don't depend on batch, shard or order."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

# How near a draw may come to the border between two tokens (in probability), and the two likeliest tokens to each other
# (in logits), before rounding might decide: ten times what batches of other shapes were seen to change in fp32.
DOUBT, NEAR = 2e-5, 1e-4
_BLOCK = 64


def answer_uniforms(seed: int, question_id: str, sample: int, length: int) -> np.ndarray:
    """`length` uniform numbers in [0, 1) for one answer, one per token.

    They depend on the seed, the question and the answer's number only: every checkpoint answers with the same
    numbers, so that differences between checkpoints are paired and less noisy (common random numbers).
    """
    key = int.from_bytes(_digest(seed, question_id, sample)[:16], "little")
    return np.random.Generator(np.random.Philox(key=key)).random(length)


def answer_seed(seed: int, question_id: str, sample: int) -> int:
    """The same for engines that draw their own numbers: a seed below 2^62 for one answer."""
    return int.from_bytes(_digest(seed, question_id, sample)[:8], "little") >> 2


def _digest(seed: int, question_id: str, sample: int) -> bytes:
    return hashlib.sha256(f"{seed}/{question_id}/{sample}".encode()).digest()


def choose_tokens(
    logits: torch.Tensor, temperature: float, uniforms: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sample one token per row from softmax(logits / temperature) by inverting its cumulative distribution.

    Args:
        logits: (answers, vocabulary).
        temperature: 0 takes the most likely token.
        uniforms: (answers,), float64 in [0, 1).

    Returns:
        Tokens, and whether other rounding of the logits might give another token; both (answers,).
    """
    if temperature == 0:
        values, tokens = logits.topk(min(2, logits.shape[-1]), dim=-1)
        return tokens[:, 0], values[:, 0] - values[:, -1] < NEAR
    shares = torch.softmax(logits / temperature, dim=-1)
    # Summing a vocabulary one by one is slow: first find the block of tokens that the number falls into.
    padded = torch.nn.functional.pad(shares, (0, -shares.shape[-1] % _BLOCK))
    blocks = padded.view(len(shares), -1, _BLOCK)
    sums = blocks.sum(-1)
    block, rest = _invert(sums, uniforms * sums.sum(-1, dtype=torch.float64))
    inside = blocks[torch.arange(len(blocks), device=block.device), block]
    token, rest = _invert(inside, rest)
    chosen = inside.gather(-1, token.unsqueeze(-1)).squeeze(-1)
    return block * _BLOCK + token, torch.minimum(rest, chosen - rest) < DOUBT


def _invert(weights: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For every row, the weight that the target falls into when they are laid end to end, and how far into it.

    Args:
        weights: (rows, n), not negative. A weight of zero is never chosen, however targets were rounded.
        targets: (rows,), float64.
    """
    cumulative = weights.cumsum(-1, dtype=torch.float64)
    ends = cumulative[:, -1:]
    targets = torch.minimum(targets.unsqueeze(-1), ends.nextafter(torch.zeros_like(ends)))
    index = torch.searchsorted(cumulative, targets, right=True)
    rest = targets - (cumulative.gather(-1, index) - weights.gather(-1, index))
    return index.squeeze(-1), rest.squeeze(-1).clamp(min=0)
