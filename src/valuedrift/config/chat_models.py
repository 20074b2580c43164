"""Chat models: where they are, and what asking them costs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from valuedrift.config.section import Count, Invalid, NotNegative, Positive, Section, Text
from valuedrift.config.sources import HubModel


class Limits(Section):
    """Settings that no reply depends on, so that an edit of them asks nothing again."""

    key_variable: Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")] = "OPENAI_API_KEY"
    """The environment variable that holds the key; never the key itself."""
    concurrency: Count = 32
    """Most requests in flight."""
    timeout: Positive = 120.0
    """Seconds for one request."""
    attempts: Count = 8
    """Tries of one request that fails while others are answered."""
    patience: Positive = 3600.0
    """Seconds without any reply after which the job stops."""
    input_price: NotNegative = 0.0
    """Dollars per million tokens read."""
    output_price: NotNegative = 0.0
    """Dollars per million tokens written."""
    budget: NotNegative | None = None
    """Dollars that one job may spend."""
    requests_per_minute: Positive | None = None
    """The account's limit, for estimates alone (`plan`, `judge --dry-run`): the client finds it by itself."""
    tokens_per_minute: Positive | None = None
    """The account's limit, for estimates alone."""
    batch_requests: Count = 50_000
    """Most requests in one batch file."""
    batch_bytes: Count = 200_000_000
    """Most bytes of one batch file."""
    batch_tokens: Count | None = None
    """Most tokens enqueued at a time: the account's queue limit."""
    batches_in_flight: Count = 10
    """Most batches at a time."""
    batch_poll: Positive = 30.0
    """Seconds between two looks at the batches."""


class _ChatModel(Limits):
    backend: Literal["http", "batch", "vllm", "transformers"]
    """http: an OpenAI-compatible endpoint; batch: OpenAI's Batch API; vllm, transformers: weights, in the job
    itself."""
    url: str = ""
    """The endpoint, up to and with /v1."""


class Llm(_ChatModel):
    """One chat model. Its key comes from the environment."""

    one_of: ClassVar = ("model", "hub", "folder")

    model: Text | None = None
    """The name that the endpoint serves."""
    hub: HubModel | None = None
    """A repository of the Hugging Face hub."""
    folder: Text | None = None
    """A local folder with its weights and tokenizer."""

    @model_validator(mode="after")
    def _is_where_its_backend_looks(self) -> Self:
        if (self.model is not None) != (self.backend in ("http", "batch")):
            raise Invalid("backend", self.backend, "http or batch with model, vllm or transformers with hub or folder")
        return self


class LlmSettings(_ChatModel):
    """A chat model as jobs read it: `model` is the name that the endpoint serves, or the folder of its weights."""

    model: Text


LIMITS = frozenset(Limits.model_fields)
