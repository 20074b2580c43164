"""Servers that answer as those that people run do, as far as a judge can tell; docs/endpoints.md has the sources."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Answer = tuple[int, str]


@dataclass(frozen=True)
class Server:
    """One kind of server.

    most: alternatives of the first token that it lists; 0 for a server without log-probabilities
    refused: what it says if more are asked; None if it lists fewer, or ignores the question
    too_long: what it says to a prompt with "too long" in it; None if it cuts the prompt
    filtered: what it says to a prompt with "forbidden" in it; None if it answers
    finish: its finish reason, if it is not OpenAI's
    model: the model that it says has answered; None for the one that was asked
    sampled_first: the sampled token is listed before the most likely ones
    """

    most: int
    refused: Any = None
    too_long: tuple[int, Any] | None = None
    filtered: tuple[int, Any] | None = None
    model: str | None = None
    finish: str | None = None
    sampled_first: bool = False

    def answer(self, body: Mapping[str, Any], tokens: Sequence[tuple[str, float]]) -> Answer:
        """Answer a request with the first token's distribution, most likely first."""
        asked, text = body.get("top_logprobs", 0), body["messages"][-1]["content"]
        if asked > self.most and self.refused:
            return self.refused[0], json.dumps(self.refused[1])
        for mark, said in (("too long", self.too_long), ("forbidden", self.filtered)):
            if mark in text and said:
                return said[0], json.dumps(said[1])
        listed = [
            {"token": token, "logprob": math.log(p), "bytes": None} for token, p in tokens[: min(asked, self.most)]
        ]
        if listed and self.sampled_first:
            listed = [listed[0], *listed]
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": tokens[0][0]},
            "finish_reason": self.finish or ("length" if body.get("max_completion_tokens") == 1 else "stop"),
            "logprobs": {"content": [{**listed[0], "top_logprobs": listed}]} if listed else None,
        }
        length = min(len(text.split()), 150) if self.too_long is None else len(text.split())
        usage = {"prompt_tokens": length, "completion_tokens": 1, "total_tokens": length + 1}
        return 200, json.dumps({"model": self.model or body["model"], "choices": [choice], "usage": usage})


def said(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


SERVERS: dict[str, Server] = {
    "vLLM": Server(
        20,
        (400, said("Requested sample logprobs of 21, which is greater than max allowed: 20", code=400)),
        (400, {"object": "error", "message": "This model's maximum context length is 99 tokens.", "code": 400}),
        sampled_first=True,
    ),
    "SGLang": Server(
        20,
        None,
        (400, {"object": "error", "message": "Requested token count exceeds the model's maximum", "code": 400}),
    ),
    "llama.cpp": Server(
        20, None, (200, said("the request exceeds the available context", code=400, type="exceed_context_size_error"))
    ),
    "Ollama": Server(20, (400, said("top_logprobs must be between 0 and 20"))),
    "LM Studio": Server(0),
    "Azure": Server(
        5,
        (400, said("Invalid value for 'top_logprobs': must be less than or equal to 5.", param="top_logprobs")),
        (400, said("This model's maximum context length is 99 tokens.", code="context_length_exceeded")),
        (400, said("The prompt triggered the content management policy.", code="content_filter", status=400)),
        model="gpt-4o-2024-11-20",
    ),
    "OpenRouter": Server(
        0,
        None,
        (400, said("Provider returned error", code=400, metadata={"raw": "prompt is too long"})),
        (403, said("The input was flagged.", code=403, metadata={"reasons": ["violence"]})),
    ),
    "Gemini": Server(
        0,
        (400, [said('Unknown name "logprobs": Cannot find field.', code=400, status="INVALID_ARGUMENT")]),
        (400, [said("The input token count exceeds the maximum", code=400, status="INVALID_ARGUMENT")]),
    ),
    "Anthropic": Server(
        0, None, (400, said("prompt is too long: 99999 tokens > 200 maximum", type="invalid_request_error"))
    ),
    "TGI": Server(
        5,
        (422, {"error": "Input validation error: `top_n_tokens` must be <= 5. Given: 20", "error_type": "validation"}),
        (422, {"error": "Input validation error: `inputs` must have less than 99 tokens", "error_type": "validation"}),
        finish="eos_token",
    ),
}
