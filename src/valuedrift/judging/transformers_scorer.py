"""Compute the label probabilities of a judge in a folder with transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from valuedrift.judging.label_words import LabelTokens
from valuedrift.models.left_padding import left_padded
from valuedrift.models.precision import asking_device, asking_precision
from valuedrift.models.weights import load_model
from valuedrift.statistics.bootstrap import FloatArray


class CausalScorer:
    """A causal language model in memory, by default in fp32 on a CPU and in bf16 on a GPU."""

    def __init__(self, folder: Path, labels: LabelTokens, precision: str | None = None) -> None:
        self.model = load_model(folder, asking_precision(precision)).to(asking_device()).eval()
        self.labels = labels

    @torch.inference_mode()
    def log_probabilities(self, encoded: list[list[int]]) -> FloatArray:
        """Return log-probabilities of the labels as next token of a batch of prompts, (prompts, labels)."""
        ids, mask, positions = left_padded(encoded, self.model.device)
        out = self.model(ids, attention_mask=mask, position_ids=positions, logits_to_keep=1, use_cache=False)
        return np.asarray(label_log_probabilities(out.logits[:, -1], self.labels).cpu())


def label_log_probabilities(logits: torch.Tensor, labels: LabelTokens) -> torch.Tensor:
    """Return each label's log-probability, summed over its tokens: (prompts, tokens) → (prompts, labels), float64."""
    full = torch.log_softmax(logits.double(), dim=-1)
    return torch.stack([full[:, list(tokens)].logsumexp(dim=-1) for tokens in labels], dim=-1)
