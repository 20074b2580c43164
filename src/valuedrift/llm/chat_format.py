"""OpenAI's chat format: write bodies of requests, read bodies of responses."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from valuedrift.llm.request import ChatReply, ChatRequest, Turn

NO_LOGPROBS = "the completion has no log-probabilities"
_FINISHED = ("stop", "length", "content_filter")


@dataclass(frozen=True)
class Answered:
    """The response is a reply, or an error that means that the request can never be answered."""

    reply: ChatReply


@dataclass(frozen=True)
class Failed:
    """This attempt failed; another may succeed. Its tokens are billed nevertheless."""

    cause: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


def body_of(request: ChatRequest, model: str, limit: str = "max_completion_tokens") -> dict[str, Any]:
    """Return the body of a chat completion request.

    `limit` is the name of the token limit; older servers accept only `max_tokens`. The temperature is always sent,
    since servers have different defaults; reasoning models accept only 1.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": turn.role, "content": _sendable(turn.content)} for turn in request.turns],
        limit: request.max_tokens,
        "temperature": request.temperature,
    }
    if request.seed is not None:
        body["seed"] = request.seed
    if request.top_logprobs:
        body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
    return body


def _sendable(text: str) -> str:
    """Return the text with question marks in place of lone surrogates, which UTF-8 can't encode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def request_of(body: dict[str, Any]) -> ChatRequest:
    """Return the request of a body that `body_of` returned."""
    turns = tuple(Turn(turn["role"], turn["content"]) for turn in body["messages"])
    return ChatRequest(
        turns, body["max_completion_tokens"], body["temperature"], body.get("seed"), body.get("top_logprobs", 0)
    )


def parse_reply(content: bytes, latency: float, wants_logprobs: bool) -> Answered | Failed:
    """Return the reply in a response's JSON; token counts that the server doesn't send are 0.

    Returns Failed if there is no reply, or if it lacks the log-probabilities requested.
    """
    try:
        body = json.loads(content)
    except ValueError:
        return Failed("the body is not JSON")
    try:
        choice = body["choices"][0]
        text = choice["message"].get("content") or choice["message"].get("refusal") or ""
        finish = choice["finish_reason"]
        usage = body.get("usage") or {}
        tokens = int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
        top = _first_token(choice.get("logprobs"))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError):
        return Failed("the body is not a chat completion")
    if not isinstance(text, str) or finish not in _FINISHED:
        return Failed(f"the completion has finish_reason {str(finish)[:40]!r}", *tokens)
    reply = ChatReply(text, finish, *tokens, latency, top)
    return Failed(NO_LOGPROBS, *tokens) if wants_logprobs and lacks_logprobs(reply) else Answered(reply)


def lacks_logprobs(reply: ChatReply) -> bool:
    """Whether a reply lacks log-probabilities that it needs; a filtered or empty answer needs none."""
    return bool(reply.text) and not reply.top_logprobs and reply.finish in ("stop", "length")


def _first_token(logprobs: Any) -> tuple[tuple[str, float], ...]:
    """Return (token, log-probability) of the first token's alternatives, most likely first.

    This sorts them, because vLLM lists the sampled token first.
    """
    tokens = (logprobs or {}).get("content") or (logprobs or {}).get("refusal")
    if not tokens:
        return ()
    top = [(str(each["token"]), float(each["logprob"])) for each in tokens[0]["top_logprobs"]]
    if not all(math.isfinite(logprob) for _, logprob in top):
        raise ValueError("a log-probability is not finite")
    return tuple(sorted(top, key=lambda each: -each[1]))
