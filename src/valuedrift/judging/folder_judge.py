"""A judge whose weights are in a folder. The probability of every label is exact, even if it is very small."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from valuedrift.config.chat_models import LlmSettings
from valuedrift.config.judges import JudgeSettings
from valuedrift.digests import file_digest, text_digest
from valuedrift.errors import ArtifactError
from valuedrift.judging.classifier import ClassifierScorer, class_places, encode_pairs, longest_pair
from valuedrift.judging.encode_prompts import NO_REASONING, encode_prompts, reasoning_tokens
from valuedrift.judging.judgement import ERROR, Judgement, Masses, judgement
from valuedrift.judging.label_words import LabelTokens, label_tokens
from valuedrift.judging.transformers_scorer import CausalScorer
from valuedrift.llm.cost import Estimate, estimate
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatReply, ChatRequest, Turn
from valuedrift.models.model_folder import require_model
from valuedrift.statistics.bootstrap import FloatArray
from valuedrift.statistics.panel import STANCES

_CHUNK = 4096
"""Number of prompts per chunk. Those not yet judged are sorted by length within it, so that batches need little
padding. Judged prompts count too, so that the same prompts form a batch after a restart: rounding errors depend on the
batch."""

_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
Record = dict[str, Any]


class Scorer(Protocol):
    """A model in memory."""

    def log_probabilities(self, encoded: list[Any]) -> FloatArray:
        """Return the log-probabilities of the scorer's labels, (prompts, labels); see `FolderJudge.encode`."""


@dataclass(frozen=True)
class FolderJudge:
    """A judge in a folder; see `Judge` for the methods. A record has the labels' log-probabilities or an error.

    Attributes:
        folder: The model's folder.
        settings: The judge's settings.
        template: The text of the prompt's template.
        context: The longest prompt that it can read, in tokens.
        encode: Prompts → what the scorer reads of each; its length is the number of tokens.
        open_scorer: Loads the model.
    """

    folder: Path
    settings: JudgeSettings
    template: str
    context: int
    encode: Callable[[Sequence[str]], Sequence[Sized]]
    open_scorer: Callable[[], Scorer]

    @cached_property
    def name(self) -> str:
        return f"{' '.join(filter(None, [self.settings.engine, self.settings.precision]))}:{content_hash(self.folder)}"

    @cached_property
    def _scorer(self) -> Scorer:
        return self.open_scorer()

    @cached_property
    def _as_llm(self) -> LlmSettings:
        """Settings of a chat model whose name tells how the judge reads and is read, for the keys."""
        how = json.dumps([self.name, self.settings.classifier or self.settings.chat, self.settings.labels])
        return LlmSettings(backend=self.settings.engine, model=how)

    def keys(self, prompt: str) -> tuple[str, ...]:
        return (_request(prompt).key(self._as_llm.model),)

    def estimate(self, prompts: Iterable[str], journal: Path) -> Estimate:
        return estimate((_request(prompt) for prompt in prompts), self._as_llm, journal)

    def judge(self, prompts: Iterable[str], journal: Path) -> None:
        start = time.monotonic()
        with Journal(journal) as store:
            for chunk in self._missing(iter(prompts), store):
                keys = list(chunk)
                for records in self.judged(list(chunk.values())):
                    store.append_all({keys[i]: record for i, record in records.items()})
                print(f"judge: {len(store)} texts judged, {time.monotonic() - start:.0f} s", file=sys.stderr)

    def records(self, prompt: str, store: Journal) -> list[Record]:
        return [store[key] for key in self.keys(prompt)]

    def judged(self, prompts: Sequence[str]) -> Iterator[dict[int, Record]]:
        """Yield the records of all prompts by index, one batch at a time.

        Raises ArtifactError if a log-probability is not finite.
        """
        encoded = self.encode(prompts)
        for i, ids in enumerate(encoded):
            if len(ids) > self.context:
                yield {i: {"error": f"a prompt of {len(ids)} tokens; this judge can read {self.context}"}}
        for batch in _batches(encoded, self.context, self.settings.batch_size):
            start = time.monotonic()
            scores = self._scorer.log_probabilities([encoded[i] for i in batch])
            latency = (time.monotonic() - start) / len(batch)
            if scores.shape[1] > len(STANCES) and (scores[:, -1] > math.log(0.5)).all():
                raise ArtifactError(self.folder, "a judge that begins to reason in place of an answer", *NO_REASONING)
            rows = dict(zip(batch, scores[:, : len(STANCES)].tolist(), strict=True))
            for row in rows.values():
                if not all(map(math.isfinite, row)):
                    raise ArtifactError(
                        self.folder, row, "finite log-probabilities", "Use another judge: this one's numbers overflow."
                    )
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
        # The journal keeps the latency, and tables don't, so that equal runs give equal tables.
        return replace(judgement([reply], masses, self.settings.max_unassigned), latency=None)

    def _missing(self, prompts: Iterator[str], store: Journal) -> Iterator[dict[str, str]]:
        """Yield the prompts that are not in the journal, by key: those of one chunk at a time."""
        keyed = ((self.keys(prompt)[0], prompt) for prompt in prompts)
        while chunk := list(islice(keyed, _CHUNK)):
            if missing := {key: prompt for key, prompt in chunk if key not in store}:
                yield missing


def open_folder(folder: Path, settings: JudgeSettings, template: str) -> FolderJudge:
    """Open the judge in a folder. Its weights are loaded when first needed.

    Raises ArtifactError if the folder has no model, its tokenizer has no token for a label or the classifier no class,
    or `chat` is set and the tokenizer has no chat template.
    """
    require_model(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if settings.classifier:
        classes = class_places(folder, settings)
        return FolderJudge(
            folder,
            settings,
            template,
            longest_pair(folder, tokenizer),
            partial(encode_pairs, tokenizer),
            partial(ClassifierScorer, folder, tokenizer, classes, settings.precision),
        )
    encode_prompts(tokenizer, [], settings.chat)
    labels = label_tokens(tokenizer, settings.labels)
    return FolderJudge(
        folder,
        settings,
        template,
        # The longest prompt that leaves room for a label.
        int(AutoConfig.from_pretrained(folder).get_text_config().max_position_embeddings) - 1,
        partial(encode_prompts, tokenizer, chat=settings.chat),
        partial(_causal_scorer, folder, tokenizer, labels, settings),
    )


def _causal_scorer(
    folder: Path, tokenizer: PreTrainedTokenizerBase, labels: LabelTokens, settings: JudgeSettings
) -> Scorer:
    """Load a language model, with another label if it could begin to reason: the words with which it would."""
    reasoning = reasoning_tokens(tokenizer)
    labels = (*labels, reasoning) if reasoning else labels
    if settings.engine == "vllm":
        from valuedrift.judging.vllm_scorer import VllmScorer

        return VllmScorer(folder, labels)
    return CausalScorer(folder, labels, settings.precision)


def _request(prompt: str) -> ChatRequest:
    return ChatRequest((Turn("user", prompt),), max_tokens=1)


def content_hash(folder: Path) -> str:
    """Return 16 hex characters that identify a model's weights, configuration and tokenizer."""
    files = sorted(path for pattern in _FILES for path in folder.glob(pattern))
    return text_digest("".join(f"{file.name}\n{file_digest(file)}\n" for file in files))[:16]


def _batches(encoded: Sequence[Sized], context: int, size: int) -> Iterator[list[int]]:
    """Yield batches of indices of the prompts that fit, longest first.

    Batches need little padding, and if a batch is too large for the memory, the first one fails.
    """
    order = sorted((i for i, ids in enumerate(encoded) if len(ids) <= context), key=lambda i: -len(encoded[i]))
    for start in range(0, len(order), size):
        yield order[start : start + size]
