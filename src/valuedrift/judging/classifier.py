"""Judges that are sequence-classification models: encoders with a class per stance, and entailment models.

A classifier's prompt has two parts, with a line `---` between them. The model reads each line of the first part in a
pair with the second part, which has the answer. Nothing in an answer can end the first part.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerBase

from valuedrift.config.judges import JudgeSettings
from valuedrift.errors import ArtifactError
from valuedrift.judging.judge_prompt import hypotheses_and_text
from valuedrift.models.precision import asking_device, asking_precision
from valuedrift.models.weights import load_model
from valuedrift.statistics.bootstrap import FloatArray
from valuedrift.statistics.panel import STANCES

_ENTAILMENT = "entailment"
_FIRST = 2
"""The position of the first token in some encoders' tables of positions (RoBERTa, MPNet)."""


@dataclass(frozen=True)
class Pairs:
    """What a classifier reads of one prompt: a pair, or one per hypothesis. Its length is the longest's, in tokens."""

    rows: tuple[dict[str, list[int]], ...]

    def __len__(self) -> int:
        return max(len(row["input_ids"]) for row in self.rows)


def encode_pairs(tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> list[Pairs]:
    """Return the pairs of every prompt. Names of special tokens in a prompt are encoded as plain text."""
    parts = [hypotheses_and_text(prompt) for prompt in prompts]
    if not parts:
        return []
    firsts = [line for lines, _ in parts for line in lines]
    seconds = [text for lines, text in parts for _ in lines]
    found = tokenizer(firsts, seconds, split_special_tokens=True)
    rows = iter([{name: found[name][i] for name in found} for i in range(len(firsts))])
    return [Pairs(tuple(next(rows) for _ in lines)) for lines, _ in parts]


def longest_pair(folder: Path, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the longest pair that an encoder can read, in tokens."""
    positions = getattr(AutoConfig.from_pretrained(folder), "max_position_embeddings", sys.maxsize)
    return min(int(tokenizer.model_max_length), int(positions) - _FIRST)


def class_places(folder: Path, settings: JudgeSettings) -> tuple[int, ...]:
    """Return the places of a model's classes: of support, neutral and oppose, or of entailment alone.

    Raises:
        ArtifactError: The model has no class of that name; upper and lower case are the same.
    """
    names = {str(name).lower(): place for place, name in AutoConfig.from_pretrained(folder).id2label.items()}
    wanted = (_ENTAILMENT,) if settings.classifier == _ENTAILMENT else settings.labels
    if missing := [name for name in wanted if name.lower() not in names]:
        do = "Name its classes for support, neutral and oppose in `labels`."
        if settings.classifier == _ENTAILMENT:
            do = "Use a model of entailment, or write the classes' names into its config.json (`id2label`)."
        raise ArtifactError(folder / "config.json", f"the classes {', '.join(names)}", f"a class {missing[0]}", do)
    return tuple(names[name.lower()] for name in wanted)


class ClassifierScorer:
    """A classifier in memory, by default in fp32 on a CPU and in bf16 on a GPU."""

    def __init__(
        self, folder: Path, tokenizer: PreTrainedTokenizerBase, classes: Sequence[int], precision: str | None = None
    ) -> None:
        model = load_model(folder, asking_precision(precision), AutoModelForSequenceClassification)
        self.model, self.tokenizer, self.classes = model.to(asking_device()).eval(), tokenizer, list(classes)

    @torch.inference_mode()
    def log_probabilities(self, encoded: Sequence[Pairs]) -> FloatArray:
        """Return the log-probabilities of the stances, (prompts, 3).

        With a hypothesis per stance they are those of its entailment, normalised over the stances.
        """
        rows = [row for pairs in encoded for row in pairs.rows]
        batch = self.tokenizer.pad(rows, return_tensors="pt").to(self.model.device)
        found = torch.log_softmax(self.model(**batch).logits.double(), dim=-1)[:, self.classes]
        scores = found.reshape(len(encoded), len(STANCES))
        return np.asarray((scores if len(self.classes) > 1 else torch.log_softmax(scores, dim=-1)).cpu())
