"""Random numbers and token choice that don't depend on batch, shard or order."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

# Rounding might decide if a draw is nearer than DOUBT to the border between two tokens (in probability), or the two
# likeliest tokens are nearer than NEAR (in logits): ten times the changes seen in batches of other shapes in fp32.
DOUBT, NEAR = 2e-5, 1e-4
_BLOCK = 64


def answer_uniforms(seed: int, question_id: str, sample: int, length: int) -> np.ndarray:
    """Return `length` uniform numbers in [0, 1) for one answer, one per token.

    They depend only on the seed, the question and the answer's number. So every checkpoint answers with the same
    numbers, and differences between checkpoints are paired and less noisy (common random numbers).
    """
    key = int.from_bytes(_digest(seed, question_id, sample)[:16], "little")
    return np.random.Generator(np.random.Philox(key=key)).random(length)


def answer_seed(seed: int, question_id: str, sample: int) -> int:
    """Return a seed below 2^62 for one answer, for engines that draw their own numbers."""
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
        The tokens, and whether rounding the logits otherwise might give another token; both (answers,).
    """
    if temperature == 0:
        values, tokens = logits.topk(min(2, logits.shape[-1]), dim=-1)
        return tokens[:, 0], values[:, 0] - values[:, -1] < NEAR
    shares = torch.softmax(logits / temperature, dim=-1)
    # A cumulative sum over the whole vocabulary is slow, so first find the block of tokens that contains the number.
    padded = torch.nn.functional.pad(shares, (0, -shares.shape[-1] % _BLOCK))
    blocks = padded.view(len(shares), -1, _BLOCK)
    sums = blocks.sum(-1)
    block, rest = _invert(sums, uniforms * sums.sum(-1, dtype=torch.float64))
    inside = blocks[torch.arange(len(blocks), device=block.device), block]
    token, rest = _invert(inside, rest)
    chosen = inside.gather(-1, token.unsqueeze(-1)).squeeze(-1)
    return block * _BLOCK + token, torch.minimum(rest, chosen - rest) < DOUBT


def _invert(weights: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return, for every row, the index of the cumulative interval with the target, and the target's offset in it.

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
