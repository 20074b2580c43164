"""The transformers engine: loads a model once, takes each checkpoint in place, and answers in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache, PreTrainedTokenizerBase

from valuedrift.generation.sampling import answer_uniforms, choose_tokens
from valuedrift.generation.weights import load_weights
from valuedrift.training.checkpoints import require_model


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn (section 3): `answers` a question, at `temperature`, of at most `max_tokens` tokens."""

    answers: int
    temperature: float
    max_tokens: int
    batch_size: int
    seed: int


@dataclass(frozen=True)
class Prompt:
    """A probe question as the model reads it."""

    question_id: str
    text: str


@dataclass(frozen=True)
class Answer:
    """One sampled answer. `finished`: it ended by itself, not by the limit of tokens."""

    question_id: str
    sample: int
    text: str
    tokens: int
    finished: bool


class TransformersEngine:
    """A causal model in memory whose weights can be exchanged for another checkpoint's of the same architecture."""

    def __init__(self, base: Path, first: Path) -> None:
        require_model(first)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(base)
        self.model = AutoModelForCausalLM.from_pretrained(first, dtype=dtype).to(self.device).eval()

    def load(self, checkpoint: Path) -> None:
        """Take another checkpoint's weights in place."""
        load_weights(self.model, checkpoint)

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Answer]:
        """`sampling.answers` answers to every prompt, in the prompts' order."""
        encoded = [self.tokenizer(prompt.text)["input_ids"] for prompt in prompts]
        # Prompts of one length need no padding against each other.
        order = sorted(range(len(prompts)), key=lambda i: (len(encoded[i]), i))
        step = max(1, sampling.batch_size // sampling.answers)
        found: dict[int, list[Answer]] = {}
        for start in range(0, len(order), step):
            batch = order[start : start + step]
            answers = self._batch([prompts[i] for i in batch], [encoded[i] for i in batch], sampling)
            found |= dict(zip(batch, answers, strict=True))
        return [answer for i in range(len(prompts)) for answer in found[i]]

    @torch.inference_mode()
    def _batch(self, prompts: list[Prompt], encoded: list[list[int]], sampling: Sampling) -> list[list[Answer]]:
        tokens = self._sample(encoded, self._uniforms(prompts, sampling), sampling)
        answers = [
            self._decode(prompt.question_id, sample, row)
            for (prompt, sample), row in zip(
                ((prompt, sample) for prompt in prompts for sample in range(sampling.answers)), tokens, strict=True
            )
        ]
        return [answers[i : i + sampling.answers] for i in range(0, len(answers), sampling.answers)]

    def _uniforms(self, prompts: list[Prompt], sampling: Sampling) -> torch.Tensor:
        rows = [
            answer_uniforms(sampling.seed, prompt.question_id, sample, sampling.max_tokens)
            for prompt in prompts
            for sample in range(sampling.answers)
        ]
        return torch.from_numpy(np.stack(rows)).to(self.device)

    def _sample(self, encoded: list[list[int]], uniforms: torch.Tensor, sampling: Sampling) -> list[list[int]]:
        """Token rows, one an answer: every prompt is read once, its cache repeated for its answers."""
        eos = self.tokenizer.eos_token_id
        ids, mask = self._left_padded(encoded)
        cache = DynamicCache(config=self.model.config)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        out = self.model(ids, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1)
        cache.batch_repeat_interleave(sampling.answers)
        logits = out.logits[:, -1].repeat_interleave(sampling.answers, 0)
        mask = mask.repeat_interleave(sampling.answers, 0)
        position = positions[:, -1:].repeat_interleave(sampling.answers, 0)
        rows: list[list[int]] = [[] for _ in range(len(logits))]
        alive = torch.arange(len(logits), device=self.device)
        for step in range(sampling.max_tokens):
            chosen = choose_tokens(logits, sampling.temperature, uniforms[alive, step])
            for row, token in zip(alive.tolist(), chosen.tolist(), strict=True):
                rows[row].append(token)
            going = (chosen != eos).nonzero().squeeze(-1)
            if not len(going) or step + 1 == sampling.max_tokens:
                break
            if len(going) < len(chosen):
                cache.batch_select_indices(going)
                alive, chosen, mask, position = alive[going], chosen[going], mask[going], position[going]
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            position = position + 1
            logits = self.model(
                chosen.unsqueeze(1), attention_mask=mask, position_ids=position, past_key_values=cache
            ).logits[:, -1]
        return rows

    def _left_padded(self, encoded: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        width = max(map(len, encoded))
        pad = self.tokenizer.pad_token_id
        ids = [[pad] * (width - len(row)) + row for row in encoded]
        mask = [[0] * (width - len(row)) + [1] * len(row) for row in encoded]
        return torch.tensor(ids, device=self.device), torch.tensor(mask, device=self.device)

    def _decode(self, question_id: str, sample: int, tokens: list[int]) -> Answer:
        finished = bool(tokens) and tokens[-1] == self.tokenizer.eos_token_id
        text = self.tokenizer.decode(tokens[:-1] if finished else tokens, skip_special_tokens=True)
        return Answer(question_id, sample, text.strip(), len(tokens), finished)
