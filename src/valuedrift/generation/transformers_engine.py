"""The transformers engine: loads a model once, replaces its weights by each checkpoint's, and answers in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel

from valuedrift.config.sampling import Sampling
from valuedrift.generation.probe_prompts import Answer, Prompt, PromptCodec
from valuedrift.generation.sampling import answer_uniforms, choose_tokens
from valuedrift.models.left_padding import left_padded
from valuedrift.models.weights import Checkpoint, load_weights, start_model

# Ended answers are removed from a batch when they are more than this share of it: removal copies the others' cache.
_ENDED = 0.1
_NOTHING = -1


class TransformersEngine:
    """A causal model in memory whose weights are replaced by those of other checkpoints of the same architecture.

    In fp32 an answer depends only on the checkpoint, its prompt and its seed, not on the rest of its batch: if rounding
    might decide a token, that answer's logits are computed again without the batch. bf16 is too coarse for that.
    """

    def __init__(self, codec: PromptCodec, first: Checkpoint, dtype: torch.dtype) -> None:
        self.codec, self.exact = codec, dtype == torch.float32
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = start_model(first, dtype).to(self.device).eval()
        self._whole = False

    def load(self, checkpoint: Checkpoint) -> str:
        """Load a checkpoint's weights in place, and check every tensor."""
        self._whole = False
        load_weights(self.model, checkpoint)
        self._whole = True
        return "in place"

    def answer(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Answer]:
        """Generate the answers that the prompts ask for, in the prompts' order."""
        if not self._whole:
            raise RuntimeError("no checkpoint was loaded to its end")
        found: dict[Prompt, list[Answer]] = {}
        for batch in _batches(prompts, sampling.batch_size):
            rows = iter(self._sample(batch, sampling))
            for prompt in batch:
                found[prompt] = [self.codec.answer(prompt.question_id, i, next(rows)) for i in prompt.samples]
        return [answer for prompt in prompts for answer in found[prompt]]

    @torch.inference_mode()
    def _sample(self, prompts: list[Prompt], sampling: Sampling) -> list[list[int]]:
        """Return rows of tokens, one per answer, in the prompts' order."""
        uniforms = self._tensor(_uniforms(prompts, sampling))
        ends = self._tensor(sorted(self.codec.ends))
        tokens = torch.full(uniforms.shape, _NOTHING, device=self.device)
        rows = _Rows.read(
            self.model, *left_padded([prompt.ids for prompt in prompts], self.device), self._tensor(_owners(prompts))
        )
        for step in range(sampling.max_tokens):
            chosen, doubtful = choose_tokens(rows.logits, sampling.temperature, uniforms[rows.numbers, step])
            for i in (doubtful & ~rows.ended).nonzero().flatten().tolist() if self.exact else ():
                row = rows.numbers[i]
                ids = [*prompts[_owners(prompts)[row]].ids, *tokens[row, :step].tolist()]
                chosen[i] = self._alone(ids, sampling.temperature, uniforms[row, step])
            tokens[rows.numbers, step] = chosen.masked_fill(rows.ended, _NOTHING)
            rows.ended |= torch.isin(chosen, ends)
            if step + 1 == sampling.max_tokens or rows.ended.all():
                break
            rows.append(self.model, chosen)
        return [row[: row.index(_NOTHING)] if row[-1] == _NOTHING else row for row in tokens.tolist()]

    def _alone(self, ids: list[int], temperature: float, uniform: torch.Tensor) -> torch.Tensor:
        """Return the next token of one answer, computed without batch, padding and cache."""
        logits = self.model(self._tensor([ids]), logits_to_keep=1, use_cache=False).logits[:, -1]
        return choose_tokens(logits, temperature, uniform.unsqueeze(0))[0]

    def _tensor(self, values: object) -> torch.Tensor:
        return torch.as_tensor(values, device=self.device)


@dataclass
class _Rows:
    """The unfinished answers of a batch: their numbers in the batch, and the model's state for them."""

    numbers: torch.Tensor
    ended: torch.Tensor
    mask: torch.Tensor
    position: torch.Tensor
    cache: DynamicCache
    logits: torch.Tensor

    @classmethod
    def read(
        cls,
        model: PreTrainedModel,
        ids: torch.Tensor,
        mask: torch.Tensor,
        positions: torch.Tensor,
        owners: torch.Tensor,
    ) -> _Rows:
        """Run every prompt once, and copy its cache for each of its answers; `owners` is each answer's prompt index."""
        cache = DynamicCache(config=model.config)
        out = model(ids, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1)
        cache.batch_select_indices(owners)
        return cls(
            numbers=torch.arange(len(owners), device=ids.device),
            ended=torch.zeros(len(owners), dtype=torch.bool, device=ids.device),
            mask=mask[owners],
            position=positions[owners, -1:],
            cache=cache,
            logits=out.logits[owners, -1],
        )

    def append(self, model: PreTrainedModel, tokens: torch.Tensor) -> None:
        """Append the chosen token to every answer; first remove ended answers if there are many."""
        if self.ended.float().mean() > _ENDED:
            going = (~self.ended).nonzero().flatten()
            self.cache.batch_select_indices(going)
            tokens, self.numbers, self.ended = tokens[going], self.numbers[going], self.ended[going]
            self.mask, self.position = self.mask[going], self.position[going]
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)
        self.position = self.position + 1
        self.logits = model(
            tokens.unsqueeze(1), attention_mask=self.mask, position_ids=self.position, past_key_values=self.cache
        ).logits[:, -1]


def _batches(prompts: Sequence[Prompt], size: int) -> Iterator[list[Prompt]]:
    """Yield batches of prompts of similar length, to save padding, with at most `size` answers or a single prompt."""
    batch: list[Prompt] = []
    for prompt in sorted(prompts, key=lambda prompt: (len(prompt.ids), prompt.text)):
        if batch and sum(len(other.samples) for other in [*batch, prompt]) > size:
            yield batch
            batch = []
        batch.append(prompt)
    if batch:
        yield batch


def _owners(prompts: Sequence[Prompt]) -> list[int]:
    """Return the index of every answer's prompt."""
    return [i for i, prompt in enumerate(prompts) for _ in prompt.samples]


def _uniforms(prompts: Sequence[Prompt], sampling: Sampling) -> np.ndarray:
    """Return uniform numbers, (answers, tokens)."""
    return np.stack(
        [
            answer_uniforms(sampling.seed, prompt.question_id, sample, sampling.max_tokens)
            for prompt in prompts
            for sample in prompt.samples
        ]
    )
