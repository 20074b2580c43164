"""A request to a chat model, and its reply."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True)
class Turn:
    """One message; `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class ChatRequest:
    """One request to a chat model.

    Attributes:
        turns: The messages.
        max_tokens: The longest answer, in tokens.
        temperature: Temperature of sampling; 0 is greedy.
        seed: Seed of sampling; None leaves it to the backend.
        top_logprobs: Number of alternatives of the first token to report, 0 for none; servers allow at most 20.
        effort: How much a reasoning model reasons, in the server's words; empty leaves it to the server.
        choices: Words of which the reply is one, as JSON: `{"stance": …}`, on servers that take a JSON schema.
    """

    turns: tuple[Turn, ...]
    max_tokens: int
    temperature: float = 0.0
    seed: int | None = None
    top_logprobs: int = 0
    effort: str = ""
    choices: tuple[str, ...] = ()

    def key(self, model: str) -> str:
        """Return 32 hex characters that identify this request to this model. Equal requests are sent once."""
        given = {name: value for name, value in vars(self).items() if value or name not in ("effort", "choices")}
        fields = given | {"turns": [vars(turn) for turn in self.turns]}
        content = _ENCODER.encode([model, fields])
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def short_request(request: ChatRequest) -> ChatRequest:
    """Return a request of the same form whose text no server can object to."""
    return replace(request, turns=(Turn("user", "Repeat this word exactly, and say nothing else: yes"),))


@dataclass(frozen=True)
class ChatReply:
    """The answer to one request.

    Attributes:
        text: The answer; if `finish` is error, the error's message.
        finish: stop, length, content_filter or error. It is error if the request can never be answered, for example
            because it is too long, or if every attempt failed while others were answered (docs/endpoints.md). After
            temporary faults the request is sent again; they aren't recorded as a reply.
        prompt_tokens: Prompt tokens as the server counts them.
        completion_tokens: Completion tokens as the server counts them.
        latency: Seconds from sending to the end of the response.
        top_logprobs: (token, log-probability) of the first token's alternatives, most likely first.
        model: The model that the server says has answered.
    """

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    latency: float
    top_logprobs: tuple[tuple[str, float], ...] = ()
    model: str = ""
