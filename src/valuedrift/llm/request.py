"""What is asked of a chat model, and what comes back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True)
class Turn:
    """One message. role: system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class ChatRequest:
    """One question to a chat model.

    temperature 0 is greedy
    top_logprobs: how many alternatives of the first token to report (0: none; servers stop at 20)
    """

    turns: tuple[Turn, ...]
    max_tokens: int
    temperature: float = 0.0
    seed: int | None = None
    top_logprobs: int = 0

    def key(self, model: str) -> str:
        """32 hex characters that stand for this request to this model: equal requests are sent once."""
        fields = vars(self) | {"turns": [vars(turn) for turn in self.turns]}
        content = _ENCODER.encode([model, fields])
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True)
class ChatReply:
    """The answer to one request.

    finish: stop, length, content_filter, or error, with `text` then saying what the server said: a request that can
    never be answered, as one that is too long, or one that failed in every one of many tries while others were
    answered. Faults that pass are retried and never become a reply
    top_logprobs: (token, log-probability) of the first token's alternatives, most likely first
    latency: seconds from sending to the whole answer
    """

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    latency: float
    top_logprobs: tuple[tuple[str, float], ...] = ()
