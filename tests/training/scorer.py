"""Log-probabilities and losses by hand, for the tests that compare trainers with formulas."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import polars as pl
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

Row = dict[str, Any]


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def rows(file: Path) -> list[Row]:
    return pl.read_parquet(file).to_dicts()


def prompt_of(row: Row) -> str:
    return f"<|user|>{(row.get('prompt') or row['messages'])[0]['content']}<|assistant|>"


def answer_of(row: Row, key: str) -> str:
    return f"{row[key][-1]['content']}<|end|>"


class Scorer:
    """Log-probabilities of answers, one at a time and without padding."""

    def __init__(self, folder: Path, tokenizer: PreTrainedTokenizerBase, temperature: float = 1.0) -> None:
        self.model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.tokenizer, self.temperature = tokenizer, temperature

    def __call__(self, prompt: str, answer: str) -> tuple[float, int]:
        """log π(answer | prompt), summed over the answer's tokens, and their number."""
        tokens = self.tokenizer(answer)["input_ids"]
        return self.of_tokens(prompt, tokens), len(tokens)

    @torch.no_grad()
    def of_tokens(self, prompt: str, answer: list[int]) -> float:
        """log π(answer | prompt) of an answer that is given as tokens."""
        before = self.tokenizer(prompt)["input_ids"]
        logits = self.model(torch.tensor([before + answer])).logits[0].double() / self.temperature
        predicted = torch.log_softmax(logits, dim=-1)[len(before) - 1 : -1]
        return sum(predicted[i, token].item() for i, token in enumerate(answer))


def loss_on_all_rows(trainer: Any, weights: Path | None = None) -> float:
    """What the trainer would minimise on a batch of the whole data set; with other weights than it started from."""
    (batch,) = list(trainer.get_train_dataloader())
    if weights:
        trainer.model.load_state_dict(AutoModelForCausalLM.from_pretrained(weights).state_dict())
    with torch.no_grad():
        return float(trainer.compute_loss(trainer.model, batch))
