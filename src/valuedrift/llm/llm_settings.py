"""Where a chat model is and what asking it costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LlmSettings:
    """One chat model.

    backend: http (any OpenAI-compatible endpoint), batch (OpenAI's Batch API), vllm or transformers (in this process)
    model: the name that the endpoint serves, or a folder · url: the endpoint up to and with /v1
    key_variable: the environment variable that holds the key; never the key itself
    concurrency: most requests in flight · timeout: seconds for one request, sent to last byte
    attempts: tries of one request that fails while others are answered; after the last it is recorded as an error
    patience: seconds without any reply after which the job stops
    input_price, output_price: dollars per million tokens (the synchronous price) · budget: dollars that the replies in
    one journal may cost, none for no limit
    requests_per_minute, tokens_per_minute: the account's limits, for estimates alone: the client finds them by itself

    batch alone: batch_requests, batch_bytes: most in one file · batch_tokens: most tokens enqueued at a time (the
    account's queue limit, none for no limit) · batches_in_flight: most batches at a time · batch_poll: seconds between
    two looks at them
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
    attempts: int = 8
    patience: float = 3600.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    batch_requests: int = 50_000
    batch_bytes: int = 200_000_000
    batch_tokens: int | None = None
    batches_in_flight: int = 10
    batch_poll: float = 30.0


# No reply depends on these settings, so an edit of them asks nothing again.
LIMITS = frozenset(
    {
        "key_variable",
        "concurrency",
        "timeout",
        "attempts",
        "patience",
        "input_price",
        "output_price",
        "budget",
        "requests_per_minute",
        "tokens_per_minute",
        "batch_requests",
        "batch_bytes",
        "batch_tokens",
        "batches_in_flight",
        "batch_poll",
    }
)
