"""A judge whose weights are in a folder: all labels are scored exactly, however unlikely they are."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from valuedrift.config.chat_models import LlmSettings
from valuedrift.config.judges import JudgeSettings
from valuedrift.errors import ArtifactError
from valuedrift.judging.encode_prompts import encode_prompts
from valuedrift.judging.judgement import ERROR, Judgement, Masses, judgement
from valuedrift.judging.label_words import LabelTokens, label_tokens
from valuedrift.judging.transformers_scorer import CausalScorer, FloatArray
from valuedrift.llm.cost import Estimate, estimate
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatReply, ChatRequest, Turn
from valuedrift.models.model_folder import require_model

_CHUNK = 4096
"""Prompts that are sorted by length together, so that a batch pads little. Counted over all prompts, judged or not, so
that after a kill the rest is batched as it would have been: other batches round differently."""

_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
Record = dict[str, Any]


class Scorer(Protocol):
    """A model that is loaded."""

    def log_probabilities(self, encoded: list[list[int]]) -> FloatArray:
        """Of support, neutral and oppose as the next token of one batch of prompts: (prompts, 3)."""


@dataclass(frozen=True)
class FolderJudge:
    """A judge in a folder (see `Judge`). Its records hold log-probabilities of the labels, or say what was wrong.

    tokenizer, labels: as the folder has them · context: the longest prompt that leaves room for a label, in tokens
    """

    folder: Path
    settings: JudgeSettings
    template: str
    tokenizer: PreTrainedTokenizerBase
    labels: LabelTokens
    context: int

    @cached_property
    def name(self) -> str:
        return f"{self.settings.engine}:{content_hash(self.folder)}"

    @cached_property
    def _scorer(self) -> Scorer:
        if self.settings.engine == "vllm":
            from valuedrift.judging.vllm_scorer import VllmScorer

            return VllmScorer(self.folder, self.labels)
        return CausalScorer(self.folder, self.labels)

    @cached_property
    def _asked(self) -> LlmSettings:
        """The judge as the name that a key contains: what it says depends on the way it is asked, too."""
        how = json.dumps([self.name, self.settings.chat, self.settings.labels])
        return LlmSettings(backend=self.settings.engine, model=how)

    def keys(self, prompt: str) -> tuple[str, ...]:
        return (_request(prompt).key(self._asked.model),)

    def estimate(self, prompts: Iterable[str], journal: Path) -> Estimate:
        return estimate((_request(prompt) for prompt in prompts), self._asked, journal)

    def judge(self, prompts: Iterable[str], journal: Path) -> None:
        start = time.monotonic()
        with Journal(journal) as store:
            for chunk in self._missing(iter(prompts), store):
                keys = list(chunk)
                for records in self.records(list(chunk.values())):
                    store.append_all({keys[i]: record for i, record in records.items()})
                print(f"judge: {len(store)} texts judged, {time.monotonic() - start:.0f} s", file=sys.stderr)

    def records(self, prompts: Sequence[str]) -> Iterator[dict[int, Record]]:
        """Place → record of all prompts, batch by batch.

        Raises ArtifactError if the model's output is not a number.
        """
        encoded = encode_prompts(self.tokenizer, prompts, self.settings.chat)
        for i, ids in enumerate(encoded):
            if len(ids) > self.context:
                yield {i: {"error": f"a prompt of {len(ids)} tokens; this judge reads {self.context}"}}
        for batch in _batches(encoded, self.context, self.settings.batch_size):
            start = time.monotonic()
            scores = self._scorer.log_probabilities([encoded[i] for i in batch])
            latency = (time.monotonic() - start) / len(batch)
            rows = dict(zip(batch, scores.tolist(), strict=True))
            for row in rows.values():
                if not all(map(math.isfinite, row)):
                    raise ArtifactError(self.folder, row, "finite log-probabilities", "Are the judge's weights whole?")
            yield {
                i: {"log_probabilities": row, "tokens": len(encoded[i]), "latency": latency} for i, row in rows.items()
            }

    def judgement(self, records: Sequence[Mapping[str, Any]]) -> Judgement:
        (record,) = records
        if "error" in record:
            found = judgement([ChatReply(record["error"], ERROR, 0, 0, 0.0)], Masses(()), 0.0)
            return replace(found, latency=None)
        reply = ChatReply("", "stop", record["tokens"], 1, record["latency"])
        masses = Masses(tuple(math.exp(p) for p in record["log_probabilities"]))
        # A batch has a latency, which the journal keeps, its prompts have none: equal runs have equal tables.
        return replace(judgement([reply], masses, self.settings.max_unassigned), latency=None)

    def _missing(self, prompts: Iterator[str], store: Journal) -> Iterator[dict[str, str]]:
        """Key → text of the prompts that the journal lacks, many at a time."""
        keyed = ((self.keys(prompt)[0], prompt) for prompt in prompts)
        while chunk := list(islice(keyed, _CHUNK)):
            if missing := {key: prompt for key, prompt in chunk if key not in store}:
                yield missing


def open_folder(folder: Path, settings: JudgeSettings, template: str) -> FolderJudge:
    """The judge in a folder; its weights are loaded when first needed.

    Raises ArtifactError if the folder has no model, its tokenizer lacks a label, or `chat` has no template.
    """
    require_model(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encode_prompts(tokenizer, [], settings.chat)
    labels = label_tokens(tokenizer, settings.labels)
    context = int(AutoConfig.from_pretrained(folder).get_text_config().max_position_embeddings) - 1
    return FolderJudge(folder, settings, template, tokenizer, labels, context)


def _request(prompt: str) -> ChatRequest:
    return ChatRequest((Turn("user", prompt),), max_tokens=1)


def content_hash(folder: Path) -> str:
    """16 hex characters that stand for a model's weights, configuration and tokenizer."""
    total = hashlib.sha256()
    for file in sorted(path for pattern in _FILES for path in folder.glob(pattern)):
        with file.open("rb") as opened:
            total.update(f"{file.name}\n{hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def _batches(encoded: Sequence[Sequence[int]], context: int, size: int) -> Iterator[list[int]]:
    """Indices of prompts that fit, longest first: a batch pads little, and too large a batch fails at once."""
    order = sorted((i for i, ids in enumerate(encoded) if len(ids) <= context), key=lambda i: -len(encoded[i]))
    for start in range(0, len(order), size):
        yield order[start : start + size]
