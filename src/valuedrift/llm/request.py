"""A request to a chat model, and its reply."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

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
        max_tokens: The longest answer.
        temperature: Of sampling; 0 is greedy.
        seed: Of sampling; None leaves it to the model.
        top_logprobs: How many alternatives of the first token to report, 0 for none; servers allow at most 20.
    """

    turns: tuple[Turn, ...]
    max_tokens: int
    temperature: float = 0.0
    seed: int | None = None
    top_logprobs: int = 0

    def key(self, model: str) -> str:
        """32 hex characters that identify this request to this model: equal requests are sent once."""
        fields = vars(self) | {"turns": [vars(turn) for turn in self.turns]}
        content = _ENCODER.encode([model, fields])
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True)
class ChatReply:
    """The answer to one request.

    Attributes:
        text: The answer; for `error`, what the server said.
        finish: stop, length, content_filter or error. An error is a request that can never be answered, such as one
            that is too long, or one that failed at every attempt while others were answered. Temporary faults are
            retried and never become a reply.
        prompt_tokens: As the server counts them.
        completion_tokens: As the server counts them.
        latency: Seconds from sending to the end of the response.
        top_logprobs: (token, log-probability) of the first token's alternatives, most likely first.
    """

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    latency: float
    top_logprobs: tuple[tuple[str, float], ...] = ()
