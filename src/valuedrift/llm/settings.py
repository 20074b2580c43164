"""Where a chat model is and what asking it costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LlmSettings:
    """One chat model.

    backend: http (any OpenAI-compatible endpoint), batch (OpenAI's Batch API), vllm or transformers (in this process)
    model: the name that the endpoint serves, or a folder · url: the endpoint up to and with /v1
    key_variable: the environment variable that holds the key; never the key itself
    concurrency: most requests in flight · timeout: seconds for one request
    input_price, output_price: dollars per million tokens (the synchronous price) · budget: dollars, none for no limit
    """

    backend: str
    model: str
    url: str = ""
    key_variable: str = "OPENAI_API_KEY"
    concurrency: int = 32
    timeout: float = 120.0
    input_price: float = 0.0
    output_price: float = 0.0
    budget: float | None = None
