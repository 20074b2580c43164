"""Backends vllm and transformers: a chat model in this process that answers blocks of requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import compress, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.cost import value_of
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatReply, ChatRequest
from valuedrift.llm.request_progress import Progress
from valuedrift.models.chat_template import prompt_frame, render

if TYPE_CHECKING:
    import torch

_VLLM_BLOCK = 2048  # vLLM forms its own batches; a smaller block loses fewer replies if the process is killed
_TRANSFORMERS_BLOCK = 16
_LEAST_LOGPROB = -9999.0  # the value that servers write instead of −∞, which the journal can't hold


@dataclass(frozen=True)
class Model:
    """A chat model in memory.

    Attributes:
        tokenizer: The model's tokenizer, which has a chat template.
        room: The context length, in tokens.
        generate: Function that answers the prompts (token ids) of requests that fit the context.
    """

    tokenizer: Any
    room: int
    generate: Callable[[list[list[int]], list[ChatRequest]], Sequence[ChatReply]]


def complete_locally(requests: Iterable[ChatRequest], settings: LlmSettings, journal: Journal) -> None:
    """Answer all requests that are not in the journal with a local model, which is loaded for the first of them."""
    load, size = (load_vllm, _VLLM_BLOCK) if settings.backend == "vllm" else (load_transformers, _TRANSFORMERS_BLOCK)
    model: Model | None = None
    with closing(Progress(requests, settings)) as progress:
        missing = _missing(requests, settings, journal, progress)
        while block := dict(islice(missing, size)):
            if model is None:
                model = load(settings)
                prompt_frame(model.tokenizer)
            for key, reply in zip(block, _answer(model, list(block.values())), strict=True):
                journal.append(key, value_of(reply, 0.0))
                progress.reply(0.0)


def _missing(
    requests: Iterable[ChatRequest], settings: LlmSettings, journal: Journal, progress: Progress
) -> Iterator[tuple[str, ChatRequest]]:
    for request in requests:
        key = request.key(settings.model)
        if key in journal:
            progress.skip(0.0)
        else:
            yield key, request


def load_vllm(settings: LlmSettings) -> Model:
    """Load the model with vLLM."""
    from vllm import SamplingParams

    from valuedrift.models.precision import asking_precision
    from valuedrift.models.start_vllm import start_vllm
    from valuedrift.models.weights import read_model

    read_model(Path(settings.model), asking_precision())  # vLLM doesn't always notice what is missing
    llm = start_vllm(settings.model, asking_precision())

    def generate(prompts: list[list[int]], requests: list[ChatRequest]) -> list[ChatReply]:
        start = time.monotonic()
        sampling = [
            SamplingParams(
                temperature=request.temperature,
                max_tokens=request.max_tokens,
                seed=request.seed,
                logprobs=request.top_logprobs or None,
            )
            for request in requests
        ]
        outputs = llm.generate([{"prompt_token_ids": ids} for ids in prompts], sampling, use_tqdm=False)
        latency = time.monotonic() - start
        return [_vllm_reply(output, latency) for output in outputs]

    return Model(llm.get_tokenizer(), llm.llm_engine.model_config.max_model_len, generate)


def _vllm_reply(output: Any, latency: float) -> ChatReply:
    """Return the reply of one output. `latency` is that of the whole block, which vLLM answers together."""
    first = output.outputs[0]
    top: list[tuple[str, float]] = []
    if first.logprobs:
        top = [(each.decoded_token, max(each.logprob, _LEAST_LOGPROB)) for each in first.logprobs[0].values()]
    finish = "length" if first.finish_reason == "length" else "stop"
    tokens = len(output.prompt_token_ids), len(first.token_ids)
    return ChatReply(first.text, finish, *tokens, latency, tuple(sorted(top, key=lambda each: -each[1])))


def load_transformers(settings: LlmSettings) -> Model:
    """Load the model with transformers. Only the request decides the sampling, not the model's generation config."""
    import torch
    from transformers import AutoTokenizer, GenerationConfig

    from valuedrift.models.precision import asking_precision
    from valuedrift.models.stops import stops
    from valuedrift.models.weights import load_model

    tokenizer = AutoTokenizer.from_pretrained(settings.model)
    model = load_model(Path(settings.model), asking_precision()).eval()
    model = model.to("cuda" if torch.cuda.is_available() else "cpu")
    ends = sorted(stops(tokenizer, model.config.to_dict(), Path(settings.model)))
    model.generation_config = GenerationConfig(eos_token_id=ends or None, pad_token_id=0, do_sample=False)
    return Model(tokenizer, model.config.max_position_embeddings, partial(_generate, model, tokenizer, ends))


def _generate(
    model: Any, tokenizer: Any, ends: list[int], prompts: list[list[int]], requests: Sequence[ChatRequest]
) -> list[ChatReply]:
    """Answer one batch; each answer is cut at its request's own `max_tokens`."""
    import torch
    from transformers import LogitsProcessorList

    from valuedrift.models.left_padding import left_padded

    start = time.monotonic()
    ids, mask, _ = left_padded(prompts, model.device)
    tops: list[tuple[tuple[str, float], ...]] = []
    draws = [torch.Generator().manual_seed(_seed(request)) for request in requests]

    def choose(_: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Leave one possible token per answer, drawn with the request's seed, so that other requests don't matter."""
        logits = scores.float().cpu()
        if not tops:
            tops.extend(_top(tokenizer, row, each.top_logprobs) for row, each in zip(logits, requests, strict=True))
        chosen = [_choose(*each) for each in zip(logits, requests, draws, strict=True)]
        index = torch.tensor(chosen, device=scores.device)[:, None]
        return torch.full_like(scores, float("-inf")).scatter(1, index, 0.0)

    longest = max(request.max_tokens for request in requests)
    with torch.inference_mode():
        tokens = model.generate(
            ids, attention_mask=mask, max_new_tokens=longest, logits_processor=LogitsProcessorList([choose])
        )
    latency = time.monotonic() - start
    replies = []
    for row, request, prompt, top in zip(tokens[:, ids.shape[1] :].tolist(), requests, prompts, tops, strict=True):
        end = next((i for i, token in enumerate(row) if token in ends), len(row)) + 1
        kept = row[: min(end, request.max_tokens)]
        finish = "stop" if kept[-1] in ends else "length"
        text = tokenizer.decode(kept, skip_special_tokens=True)
        replies.append(ChatReply(text, finish, len(prompt), len(kept), latency, top))
    return replies


def _seed(request: ChatRequest) -> int:
    return request.seed if request.seed is not None else int(request.key("")[:8], 16)


def _top(tokenizer: Any, logits: torch.Tensor, count: int) -> tuple[tuple[str, float], ...]:
    """Return the most likely first tokens with exact log-probabilities, by a softmax over the whole vocabulary."""
    best = logits.double().log_softmax(-1).topk(min(count, len(logits)))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return tuple((tokenizer.decode([token]), max(logprob, _LEAST_LOGPROB)) for token, logprob in pairs)


def _choose(logits: torch.Tensor, request: ChatRequest, draw: torch.Generator) -> int:
    if request.temperature == 0:
        return int(logits.argmax())
    return int((logits / request.temperature).softmax(-1).multinomial(1, generator=draw))


def _answer(model: Model, requests: Sequence[ChatRequest]) -> Iterator[ChatReply]:
    """Answer the requests that fit the model's context. The others get error replies, as they would from a server."""
    prompts = [prompt_of(model.tokenizer, request) for request in requests]
    fits = [len(ids) + request.max_tokens <= model.room for ids, request in zip(prompts, requests, strict=True)]
    found: Iterator[ChatReply] = iter(())
    if any(fits):
        found = iter(model.generate(list(compress(prompts, fits)), list(compress(requests, fits))))
    for fit, ids, request in zip(fits, prompts, requests, strict=True):
        size = f"{len(ids)} prompt tokens and {request.max_tokens} new ones"
        yield next(found) if fit else ChatReply(f"{size} exceed the context length of {model.room}", "error", 0, 0, 0.0)


def prompt_of(tokenizer: Any, request: ChatRequest) -> list[int]:
    """Return the request's token ids in the model's chat format, up to the start of the answer."""
    turns = [{"role": turn.role, "content": turn.content} for turn in request.turns]
    ids: list[int] = render(tokenizer, turns, add_generation_prompt=True, return_dict=False)
    return ids
