"""The transformers backend: a causal language model in a folder, read through its next-token distribution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from valuedrift.errors import ArtifactError
from valuedrift.judging.labels import FloatArray, label_log_probabilities, label_tokens
from valuedrift.training.checkpoints import require_model

_BODY = "@@PROMPT@@"


@dataclass(frozen=True)
class JudgeSettings:
    """How a judge is asked.

    prompt: the name of one of the package's templates, or a path · chat: as a user's turn (instruct models)
    batch_size: prompts in one forward pass
    """

    prompt: str
    chat: bool
    batch_size: int


class CausalJudge:
    """A model and tokenizer in memory: fp32 on a CPU, bf16 on a GPU.

    Raises ArtifactError if the folder has no model, its tokenizer lacks a label, or `chat` has no template.
    """

    def __init__(self, folder: Path, settings: JudgeSettings) -> None:
        require_model(folder)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).to(self.device).eval()
        self.labels = label_tokens(self.tokenizer)
        self.settings = settings

    def log_probabilities(self, prompts: Sequence[str]) -> FloatArray:
        """Log-probabilities of support, neutral and oppose as the next word: (prompts, 3)."""
        encoded = encode_prompts(self.tokenizer, prompts, self.settings.chat)
        found = np.empty((len(prompts), 3))
        for batch in _batches(encoded, self.settings.batch_size):
            found[batch] = self._score([encoded[i] for i in batch])
        return found

    @torch.inference_mode()
    def _score(self, encoded: list[list[int]]) -> FloatArray:
        width = max(map(len, encoded))
        # Padding stands on the left, masked, so that the last position is every prompt's end; any token will do.
        ids = torch.tensor([[0] * (width - len(row)) + row for row in encoded], device=self.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in encoded], device=self.device)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        out = self.model(ids, attention_mask=mask, position_ids=positions, logits_to_keep=1, use_cache=False)
        return np.asarray(label_log_probabilities(out.logits[:, -1], self.labels).cpu())


def encode_prompts(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], chat: bool) -> list[list[int]]:
    """Token ids of every prompt. What looks like a special token inside a prompt is read as plain text.

    Raises ArtifactError if `chat` is asked of a tokenizer without a chat template.
    """
    head, tail = _chat_frame(tokenizer) if chat else ([], [])
    if not prompts:
        return []
    bodies = tokenizer(list(prompts), add_special_tokens=not chat, split_special_tokens=True)["input_ids"]
    return [head + body + tail for body in bodies]


def _chat_frame(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Tokens before and after a user's turn, up to where the assistant's answer begins."""
    if not tokenizer.chat_template:
        raise ArtifactError(
            tokenizer.name_or_path, "no chat template", "a judge with one", "Set the judge's `chat` to false."
        )
    turn: list[dict[str, Any]] = [{"role": "user", "content": _BODY}]
    # A judge that would think first has to be told to answer at once; other templates ignore the word.
    text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True, enable_thinking=False)
    head, tail = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in text.split(_BODY))
    return head, tail


def _batches(encoded: Sequence[Sequence[int]], size: int) -> Iterator[list[int]]:
    """Indices of prompts, longest first, so that a batch pads little and what doesn't fit in memory shows at once."""
    order = sorted(range(len(encoded)), key=lambda i: -len(encoded[i]))
    for start in range(0, len(order), size):
        yield order[start : start + size]
