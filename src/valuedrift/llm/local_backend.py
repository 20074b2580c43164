"""Backends vllm and transformers: a chat model in this process, which answers in blocks of requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress, islice
from typing import TYPE_CHECKING, Any

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.cost import value_of
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatReply, ChatRequest
from valuedrift.llm.request_progress import Progress

if TYPE_CHECKING:
    import torch

_VLLM_BLOCK = 2048  # the engine batches by itself; a block limits what a kill can lose
_TRANSFORMERS_BLOCK = 16
_LEAST_LOGPROB = -9999.0  # what servers write for "practically impossible"; the journal can't hold infinities

Answer = Callable[[Sequence[ChatRequest]], Iterable[ChatReply]]


def complete_locally(requests: Iterable[ChatRequest], settings: LlmSettings, journal: Journal) -> None:
    """Answer every request that the journal lacks with a local model, loaded when the first is found."""
    load, size = (load_vllm, _VLLM_BLOCK) if settings.backend == "vllm" else (load_transformers, _TRANSFORMERS_BLOCK)
    progress = Progress(requests, settings)
    missing = _missing(requests, settings, journal, progress)
    answer: Answer | None = None
    while block := dict(islice(missing, size)):
        answer = answer or load(settings)
        for key, reply in zip(block, answer(list(block.values())), strict=True):
            journal.append(key, value_of(reply, 0.0))
            progress.reply(0.0)
    progress.close()


def _missing(
    requests: Iterable[ChatRequest], settings: LlmSettings, journal: Journal, progress: Progress
) -> Iterator[tuple[str, ChatRequest]]:
    for request in requests:
        key = request.key(settings.model)
        if key in journal:
            progress.skip(0.0)
        else:
            yield key, request


def load_vllm(settings: LlmSettings) -> Answer:
    """The model in vLLM's engine. Sampling is the request's alone: the model's generation_config.json is left out."""
    from vllm import LLM, SamplingParams

    from valuedrift.models.precision import asking_precision

    llm = LLM(model=settings.model, dtype=asking_precision(), generation_config="vllm", seed=0)
    room = llm.llm_engine.model_config.max_model_len

    def generate(prompts: list[list[int]], requests: list[ChatRequest]) -> list[ChatReply]:
        start = time.monotonic()
        outputs = llm.generate(
            [{"prompt_token_ids": ids} for ids in prompts],
            [_sampling(SamplingParams, request) for request in requests],
            use_tqdm=False,
        )
        latency = time.monotonic() - start
        return [_vllm_reply(output, latency) for output in outputs]

    def answer(requests: Sequence[ChatRequest]) -> list[ChatReply]:
        prompts = [prompt_of(llm.get_tokenizer(), request) for request in requests]
        return _answer_fitting(requests, prompts, room, generate)

    return answer


def _sampling(make: Callable[..., Any], request: ChatRequest) -> Any:
    return make(
        temperature=request.temperature,
        max_tokens=request.max_tokens,
        seed=request.seed,
        logprobs=request.top_logprobs or None,
    )


def _vllm_reply(output: Any, latency: float) -> ChatReply:
    """`latency`: of the whole block, which the engine answers together."""
    first = output.outputs[0]
    top: list[tuple[str, float]] = []
    if first.logprobs:
        top = [(each.decoded_token, max(each.logprob, _LEAST_LOGPROB)) for each in first.logprobs[0].values()]
    finish = "length" if first.finish_reason == "length" else "stop"
    tokens = len(output.prompt_token_ids), len(first.token_ids)
    return ChatReply(first.text, finish, *tokens, latency, tuple(sorted(top, key=lambda each: -each[1])))


def load_transformers(settings: LlmSettings) -> Answer:
    """The model in transformers. Sampling is the request's alone: the model's generation_config.json is left out."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    from valuedrift.models.precision import asking_precision

    tokenizer = AutoTokenizer.from_pretrained(settings.model)
    model = AutoModelForCausalLM.from_pretrained(settings.model, dtype=asking_precision()).eval()
    model = model.to("cuda" if torch.cuda.is_available() else "cpu")
    room = model.config.max_position_embeddings
    ends = _end_tokens(model, tokenizer)
    model.generation_config = GenerationConfig(eos_token_id=ends or None, pad_token_id=0, do_sample=False)

    def answer(requests: Sequence[ChatRequest]) -> list[ChatReply]:
        return _answer_fitting(
            requests,
            [prompt_of(tokenizer, request) for request in requests],
            room,
            lambda prompts, fitting: _generate(model, tokenizer, prompts, fitting, ends),
        )

    return answer


def _generate(
    model: Any, tokenizer: Any, prompts: list[list[int]], requests: Sequence[ChatRequest], ends: list[int]
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
        """Leave one token possible per answer, drawn with the request's own seed: neighbours change nothing."""
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


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end an answer: a chat model's turn may end with another token than its documents."""
    ends = model.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [ends]
    return sorted({token for token in [*listed, tokenizer.eos_token_id] if token is not None})


def _seed(request: ChatRequest) -> int:
    return request.seed if request.seed is not None else int(request.key("")[:8], 16)


def _top(tokenizer: Any, logits: torch.Tensor, count: int) -> tuple[tuple[str, float], ...]:
    """The most likely first tokens, exactly: the softmax runs over the whole vocabulary."""
    best = logits.double().log_softmax(-1).topk(min(count, len(logits)))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return tuple((tokenizer.decode([token]), max(logprob, _LEAST_LOGPROB)) for token, logprob in pairs)


def _choose(logits: torch.Tensor, request: ChatRequest, draw: torch.Generator) -> int:
    if request.temperature == 0:
        return int(logits.argmax())
    return int((logits / request.temperature).softmax(-1).multinomial(1, generator=draw))


def _answer_fitting(
    requests: Sequence[ChatRequest],
    prompts: list[list[int]],
    room: int,
    answer: Callable[[list[list[int]], list[ChatRequest]], list[ChatReply]],
) -> list[ChatReply]:
    """Answer the requests that fit the context of `room` tokens; the others get error replies, as from a server."""
    fits = [len(ids) + request.max_tokens <= room for ids, request in zip(prompts, requests, strict=True)]
    found: Iterator[ChatReply] = iter(())
    if any(fits):
        found = iter(answer(list(compress(prompts, fits)), list(compress(requests, fits))))
    return [
        next(found) if fit else _too_long(len(ids), request, room)
        for fit, ids, request in zip(fits, prompts, requests, strict=True)
    ]


def prompt_of(tokenizer: Any, request: ChatRequest) -> list[int]:
    """The request's token ids in the model's chat format, up to where the answer begins."""
    turns = [{"role": turn.role, "content": turn.content} for turn in request.turns]
    ids: list[int] = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    return ids


def _too_long(tokens: int, request: ChatRequest, room: int) -> ChatReply:
    text = f"{tokens} prompt tokens and {request.max_tokens} new ones exceed the context length of {room}"
    return ChatReply(text, "error", 0, 0, 0.0)
