"""OpenAI's chat format: write bodies of requests, read bodies of responses."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from valuedrift.llm.alternatives import Alternatives, read_alternatives
from valuedrift.llm.http_responses import mentions_logprobs
from valuedrift.llm.request import ChatReply, ChatRequest, Turn

CHOICE = "stance"
"""The only field of a reply that is to be one of several words."""
NO_LOGPROBS = "the completion has no log-probabilities"
_MOST_TOKENS = 2**31
_FINISHED = ("stop", "length", "content_filter")


class Unusable(Exception):
    """The body of a response with status 200 is no reply.

    Attributes:
        error: The error that it has instead; None if there is none.
        tokens: Prompt and completion tokens, which are billed nevertheless.
    """

    def __init__(self, cause: str, error: object = None, tokens: tuple[int, int] = (0, 0)) -> None:
        super().__init__(cause)
        self.error, self.tokens = error, tokens


@dataclass(frozen=True)
class Dialect:
    """How a server names the limit of tokens, how many alternatives it lists, and if it takes a seed and a schema."""

    limit: str = "max_completion_tokens"
    alternatives: int = 20
    seed: bool = True
    schema: bool = True

    def __str__(self) -> str:
        without = "".join(f", no {name}" for name in ("seed", "schema") if not getattr(self, name))
        return f"{self.limit}, at most {self.alternatives} log-probabilities{without}"

    def without(self, refused: str, request: ChatRequest) -> Dialect | None:
        """Return the dialect without what the server's words object to; None if that can't be left out."""
        if self.limit in refused and self.limit == "max_completion_tokens":
            return replace(self, limit="max_tokens")  # an older server
        fewer = [n for n in (10, 5, 2) if n < min(self.alternatives, request.top_logprobs)]
        if fewer and mentions_logprobs(refused):
            return replace(self, alternatives=fewer[0])
        if self.seed and request.seed is not None and re.search(r"\bseed\b", refused):
            return replace(self, seed=False)
        if self.schema and request.choices and re.search(r"response_format|json_schema|structured", refused):
            return replace(self, schema=False)
        return None


def body_of(request: ChatRequest, model: str, dialect: Dialect = Dialect()) -> dict[str, Any]:
    """Return the body of a chat completion request.

    The temperature is always sent, since servers have different defaults; reasoning models accept only 1.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": turn.role, "content": _sendable(turn.content)} for turn in request.turns],
        dialect.limit: request.max_tokens,
        "temperature": request.temperature,
    }
    if request.seed is not None and dialect.seed:
        body["seed"] = request.seed
    if request.top_logprobs:
        body |= {"logprobs": True, "top_logprobs": min(request.top_logprobs, dialect.alternatives)}
    if request.effort:
        body["reasoning_effort"] = request.effort
    if request.choices and dialect.schema:
        choice = {"type": "string", "enum": list(request.choices)}
        schema = {"type": "object", "properties": {CHOICE: choice}, "required": [CHOICE], "additionalProperties": False}
        wanted = {"name": CHOICE, "strict": True, "schema": schema}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    return body


def _sendable(text: str) -> str:
    """Return the text with question marks in place of lone surrogates, which UTF-8 can't encode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def request_of(body: dict[str, Any]) -> ChatRequest:
    """Return the request of a body that `body_of` returned."""
    turns = tuple(Turn(turn["role"], turn["content"]) for turn in body["messages"])
    format_ = body.get("response_format")
    choices = format_["json_schema"]["schema"]["properties"][CHOICE]["enum"] if format_ else ()
    return ChatRequest(
        turns,
        body["max_completion_tokens"],
        body["temperature"],
        body.get("seed"),
        body.get("top_logprobs", 0),
        body.get("reasoning_effort", ""),
        tuple(choices),
    )


def decoded(content: bytes) -> object:
    """Return a body's JSON. Other text is returned as it is, of a page only its words, at most 300 characters.

    Some servers send a stream of events although none was asked for: its last event is returned, with the text and the
    log-probabilities of all.
    """
    text = content.decode("utf-8", "replace")
    for encoded in (content, text):
        try:
            return json.loads(encoded)
        except (ValueError, RecursionError):
            pass
    try:
        events = [json.loads(line[5:]) for line in text.splitlines() if re.match(r"data:(?!\s*\[DONE\])", line)]
        if events:
            return _whole(events)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    words = re.sub(r"(?s)<(script|style)\b.*?</\1>|<[^<>]*>", " ", text[:20_000]) if "<html" in text[:2000] else text
    return " ".join(words[:2000].split())[:300] or "an empty body"


def _whole(events: list[Any]) -> object:
    """Return the completion that a stream's events are parts of, or the event with an error."""
    for event in events:
        if event.get("error"):
            return event
    choices = [choice for event in events for choice in event.get("choices") or ()]
    deltas = [choice.get("delta") or {} for choice in choices]
    usage = [event["usage"] for event in events if event.get("usage")]
    finish = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    whole = {
        "message": {"content": "".join(delta.get("content") or "" for delta in deltas)},
        "finish_reason": finish[-1] if finish else None,
        "logprobs": next((choice["logprobs"] for choice in choices if choice.get("logprobs")), None),
    }
    return events[-1] | {"choices": [whole], "usage": usage[-1] if usage else None}


def read_reply(body: object, latency: float, request: ChatRequest | None = None) -> ChatReply:
    """Return the reply in a decoded body; token counts that the server doesn't send are 0.

    A finish reason that isn't OpenAI's counts as stop, or as length if the answer is as long as asked, if there is an
    answer. Raises Unusable if there is no reply, or if it lacks the log-probabilities requested.
    """
    if not isinstance(body, dict) or not body.get("choices"):
        if isinstance(body, str):
            raise Unusable(f"the body is not JSON: {body}")
        raise Unusable(f"the body is not a chat completion: {json.dumps(body)}", body)
    tokens = _count(body, "prompt_tokens"), _count(body, "completion_tokens")
    try:
        choice = body["choices"][0]
        if choice.get("error") or choice.get("finish_reason") == "error":
            raise Unusable("the completion has an error", choice, tokens)
        text = _text(choice["message"].get("content")) or _text(choice["message"].get("refusal"))
        top = _first_token(choice.get("logprobs"), request.top_logprobs if request else None)
    except ValueError as error:
        raise Unusable(f"the log-probabilities are no distribution: {error}", None, tokens) from None
    except (LookupError, TypeError, AttributeError, OverflowError):
        raise Unusable(f"the body is not a chat completion: {json.dumps(body)[:300]}", None, tokens) from None
    finish = choice.get("finish_reason")
    if finish not in _FINISHED:
        if not text and not top:
            raise Unusable(f"the completion has no text, and finish_reason {str(finish)[:40]!r}", None, tokens)
        finish = "length" if request and tokens[1] >= request.max_tokens else "stop"
    model = body.get("model")
    reply = ChatReply(text, finish, *tokens, latency, top, model if isinstance(model, str) else "")
    if request and request.top_logprobs and lacks_logprobs(reply):
        raise Unusable(NO_LOGPROBS, None, tokens)
    return reply


def lacks_logprobs(reply: ChatReply) -> bool:
    """Whether a reply lacks log-probabilities that it needs; a filtered or empty answer needs none."""
    return bool(reply.text) and not reply.top_logprobs and reply.finish in ("stop", "length")


def _text(content: Any) -> str:
    """Return the text of a message, which may be in parts. Raises TypeError for a number, or another value."""
    if not isinstance(content, str | list | dict | None):
        raise TypeError(content)
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return "".join(text for text in texts if isinstance(text, str))


def _count(body: dict[str, Any], name: str) -> int:
    usage = body.get("usage")
    count = usage.get(name) if isinstance(usage, dict) else None
    return int(count) if isinstance(count, int | float) and 0 <= count < _MOST_TOKENS else 0


def _first_token(logprobs: Any, most: int | None) -> Alternatives:
    """Return the first token's alternatives, in OpenAI's format or in that of its older interface."""
    if not logprobs:
        return ()
    tokens = logprobs.get("content") or logprobs.get("refusal")
    if tokens:
        listed = [(each["token"], each["logprob"]) for each in tokens[0].get("top_logprobs") or ()]
    else:
        older = logprobs.get("top_logprobs")
        listed = list(older[0].items()) if older and isinstance(older[0], dict) else []
    return read_alternatives([(token if isinstance(token, str) else "", p) for token, p in listed], most)
