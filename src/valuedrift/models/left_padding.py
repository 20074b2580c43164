"""Batches for causal language models: all prompts end at the same position, so the last logits give the next token."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def left_padded(
    rows: Sequence[Sequence[int]], device: torch.device | str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pad rows of token ids on the left with masked zeros.

    Returns:
        Token ids, attention mask and position ids, each (rows, longest row). A row's first token has position 0.
    """
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(row)) + list(row) for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask, (mask.cumsum(-1) - 1).clamp(min=0)
