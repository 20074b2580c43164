"""From next-token logits to stances: which tokens stand for a label, and what probability they share."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from valuedrift.errors import ArtifactError
from valuedrift.statistics.panel import STANCES

FloatArray = NDArray[np.float64]
LabelTokens = tuple[tuple[int, ...], ...]
"""Token ids per label, in the order of STANCES."""


def label_tokens(tokenizer: PreTrainedTokenizerBase) -> LabelTokens:
    """The tokens that are a whole label: with or without a space before it, in lower case or capitalised.

    Raises ArtifactError, naming the label, if the tokenizer has no such token for one of them.
    """
    return tuple(_variants(tokenizer, label) for label in STANCES)


def label_log_probabilities(logits: torch.Tensor, labels: LabelTokens) -> torch.Tensor:
    """Log-probability of each label, summed over its tokens: (answers, vocabulary) -> (answers, 3), in float64."""
    full = torch.log_softmax(logits.double(), dim=-1)
    return torch.stack([full[:, list(tokens)].logsumexp(dim=-1) for tokens in labels], dim=-1)


def stance_probabilities(log_probabilities: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Stances and unassigned mass: (answers, 3) -> (answers, 3), (answers,).

    Stances are the softmax over the three labels (section 3, "Evaluation setup"); the unassigned mass is what the
    judge's next-token distribution gives to anything but a label.
    """
    total = np.logaddexp.reduce(log_probabilities, axis=1)
    # Sums of rounded probabilities can pass 1 by a last bit.
    return np.exp(log_probabilities - total[:, None]), np.maximum(0.0, -np.expm1(total))


def _variants(tokenizer: PreTrainedTokenizerBase, label: str) -> tuple[int, ...]:
    forms = [f" {label}", label, f" {label.capitalize()}", label.capitalize()]
    encoded = [tokenizer(form, add_special_tokens=False)["input_ids"] for form in forms]
    # Some tokenizers give one id to several forms, or one "unknown" id to all.
    whole = [ids[0] for ids in encoded if len(ids) == 1 and tokenizer.decode(ids).strip().lower() == label]
    if not whole:
        raise ArtifactError(
            tokenizer.name_or_path or "tokenizer",
            {form: len(ids) for form, ids in zip(forms, encoded, strict=True)},
            f"a form of the label '{label}' that is one token",
            "Choose another judge, or train one with a larger vocabulary.",
        )
    return tuple(dict.fromkeys(whole))
