"""Backends vllm and transformers: a chat model in this process, asked in blocks of requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.cost import value_of
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatReply, ChatRequest
from valuedrift.llm.request_progress import Progress

if TYPE_CHECKING:
    import torch

_VLLM_BLOCK = 2048  # the engine batches by itself; a block bounds what a kill can lose
_TRANSFORMERS_BLOCK = 16
_LEAST_LOGPROB = -9999.0  # as servers write "practically impossible"; the journal holds no infinities

Answer = Callable[[Sequence[ChatRequest]], Iterable[ChatReply]]


def complete_offline(requests: Iterable[ChatRequest], settings: LlmSettings, journal: Journal) -> None:
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

    def answer(requests: Sequence[ChatRequest]) -> list[ChatReply]:
        prompts = [prompt_of(llm.get_tokenizer(), request) for request in requests]
        fitting = [i for i, request in enumerate(requests) if len(prompts[i]) + request.max_tokens <= room]
        start = time.monotonic()
        outputs = llm.generate(
            [{"prompt_token_ids": prompts[i]} for i in fitting],
            [_sampling(SamplingParams, requests[i]) for i in fitting],
            use_tqdm=False,
        )
        latency = time.monotonic() - start
        replies = dict(zip(fitting, (_vllm_reply(output, latency) for output in outputs), strict=True))
        return [replies.get(i) or too_long(len(prompts[i]), requests[i], room) for i in range(len(requests))]

    return answer


def _sampling(make: Callable[..., Any], request: ChatRequest) -> Any:
    return make(
        temperature=request.temperature,
        max_tokens=request.max_tokens,
        seed=request.seed,
        logprobs=request.top_logprobs or None,
    )


def _vllm_reply(output: Any, latency: float) -> ChatReply:
    """latency: of the block, since the engine answers it as one."""
    first = output.outputs[0]
    top: list[tuple[str, float]] = []
    if first.logprobs:
        top = [(each.decoded_token, max(each.logprob, _LEAST_LOGPROB)) for each in first.logprobs[0].values()]
    finish = "length" if first.finish_reason == "length" else "stop"
    tokens = len(output.prompt_token_ids), len(first.token_ids)
    return ChatReply(first.text, finish, *tokens, latency, tuple(sorted(top, key=lambda each: -each[1])))


def load_transformers(settings: LlmSettings) -> Answer:
    """The model in transformers."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from valuedrift.models.precision import asking_precision

    tokenizer = AutoTokenizer.from_pretrained(settings.model)
    model = AutoModelForCausalLM.from_pretrained(settings.model, dtype=asking_precision()).eval()
    model = model.to("cuda" if torch.cuda.is_available() else "cpu")
    room = model.config.max_position_embeddings

    def answer(requests: Sequence[ChatRequest]) -> list[ChatReply]:
        prompts = [prompt_of(tokenizer, request) for request in requests]
        fitting = [i for i, request in enumerate(requests) if len(prompts[i]) + request.max_tokens <= room]
        replies: dict[int, ChatReply] = {}
        if fitting:
            found = _decode(model, tokenizer, [prompts[i] for i in fitting], [requests[i] for i in fitting])
            replies = dict(zip(fitting, found, strict=True))
        return [replies.get(i) or too_long(len(prompts[i]), requests[i], room) for i in range(len(requests))]

    return answer


def _decode(model: Any, tokenizer: Any, prompts: list[list[int]], requests: list[ChatRequest]) -> list[ChatReply]:
    """Answer one batch token by token. Each request draws from a generator of its own: neighbours change nothing."""
    import torch

    start, width = time.monotonic(), max(map(len, prompts))
    # Padding stands on the left, masked, so that the last position is every prompt's end; any token will do.
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    ends = _end_tokens(model, tokenizer)
    draws = [torch.Generator().manual_seed(_seed(request)) for request in requests]
    rows: list[list[int]] = [[] for _ in requests]
    tops: list[tuple[tuple[str, float], ...]] = []
    cache = None
    while True:
        with torch.inference_mode():
            out = model(ids, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1)
        logits, cache = out.logits[:, -1].float().cpu(), out.past_key_values
        if not tops:
            tops = [_top(tokenizer, row, request.top_logprobs) for row, request in zip(logits, requests, strict=True)]
        chosen = [_choose(*each) for each in zip(logits, requests, draws, strict=True)]
        for row, request, token in zip(rows, requests, chosen, strict=True):
            if not _is_done(row, request, ends):
                row.append(token)
        if all(_is_done(row, request, ends) for row, request in zip(rows, requests, strict=True)):
            break
        ids = torch.tensor(chosen, device=model.device)[:, None]
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        positions = positions[:, -1:] + 1
    latency = time.monotonic() - start
    return [
        ChatReply(
            tokenizer.decode(row, skip_special_tokens=True),
            "stop" if row and row[-1] in ends else "length",
            len(prompt),
            len(row),
            latency,
            top,
        )
        for row, prompt, top in zip(rows, prompts, tops, strict=True)
    ]


def _is_done(row: list[int], request: ChatRequest, ends: set[int]) -> bool:
    return len(row) >= request.max_tokens or (bool(row) and row[-1] in ends)


def _end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """The tokens that end an answer: a chat model's turn may end otherwise than its documents."""
    ends = model.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [ends]
    return {token for token in [*listed, tokenizer.eos_token_id] if token is not None}


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


def prompt_of(tokenizer: Any, request: ChatRequest) -> list[int]:
    """The request's tokens in the model's chat format, ending where the answer begins."""
    turns = [{"role": turn.role, "content": turn.content} for turn in request.turns]
    ids: list[int] = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    return ids


def too_long(tokens: int, request: ChatRequest, room: int) -> ChatReply:
    """What a server says to a request beyond the model's context."""
    text = f"{tokens} prompt tokens and {request.max_tokens} new ones are more than the context length of {room}"
    return ChatReply(text, "error", 0, 0, 0.0)
