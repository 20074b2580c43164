"""Chat models: where they are, and what asking them costs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from valuedrift.config.section import Count, Invalid, NotNegative, Positive, Section, Text
from valuedrift.config.sources import HubModel, PackageModel


class Limits(Section):
    """Settings that don't change replies; after an edit of them no request is repeated."""

    key_variable: Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")] = "OPENAI_API_KEY"
    """Name of the environment variable that holds the API key; never the key itself."""
    concurrency: Count = 32
    """Maximum number of requests in flight."""
    timeout: Positive = 120.0
    """Time limit for one request in seconds."""
    attempts: Count = 8
    """Maximum number of attempts per request, while other requests succeed."""
    patience: Positive = 3600.0
    """The job stops after this many seconds without any reply."""
    input_price: NotNegative = 0.0
    """Dollars per million tokens read."""
    output_price: NotNegative = 0.0
    """Dollars per million tokens written."""
    budget: NotNegative | None = None
    """Dollars that one job may spend (default no limit)."""
    requests_per_minute: Positive | None = None
    """The account's limit, used only in estimates (`plan`, `judge --dry-run`); the client adapts automatically."""
    tokens_per_minute: Positive | None = None
    """The account's limit, used only in estimates."""
    batch_requests: Count = 50_000
    """Maximum number of requests in a batch file."""
    batch_bytes: Count = 200_000_000
    """Maximum size of a batch file in bytes."""
    batch_tokens: Count | None = None
    """Maximum number of enqueued tokens, the account's queue limit (default no limit)."""
    batches_in_flight: Count = 10
    """Maximum number of batches at the same time."""
    batch_poll: Positive = 30.0
    """Seconds between polls of the batches."""


class _ChatModel(Limits):
    backend: Literal["http", "batch", "vllm", "transformers"]
    """http: an OpenAI-compatible endpoint; batch: OpenAI's Batch API; vllm, transformers: a local model, run inside
    the job."""
    url: str = ""
    """The endpoint's address, up to and including /v1 (default OpenAI's)."""


class Llm(_ChatModel):
    """One chat model. Its API key comes from the environment."""

    one_of: ClassVar = ("model", "hub", "package", "folder")

    model: Text | None = None
    """The model's name at the endpoint."""
    hub: HubModel | None = None
    package: PackageModel | None = None
    folder: Text | None = None
    """A local folder with the model's weights and tokenizer."""

    @model_validator(mode="after")
    def _is_where_its_backend_looks(self) -> Self:
        if (self.model is not None) != (self.backend in ("http", "batch")):
            wanted = "http or batch with model, vllm or transformers with hub, package or folder"
            raise Invalid("backend", self.backend, wanted)
        return self


class LlmSettings(_ChatModel):
    """A chat model as jobs read it: `model` is the name that the endpoint serves, or the folder of its weights."""

    model: Text


LIMITS = frozenset(Limits.model_fields)
