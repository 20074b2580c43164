"""Send requests to a chat model. A journal keeps the replies, and requests that have a reply aren't sent again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatReply, ChatRequest


def complete(requests: Iterable[ChatRequest], settings: LlmSettings, journal: Path) -> None:
    """Write a reply into the journal for every distinct request that has none there.

    A request that can't be answered gets a reply with `finish` `error` or `content_filter`.

    Args:
        requests: Any number of requests, also from a generator. Memory grows by about 140 bytes per journal entry.
        settings: The chat model.
        journal: The journal's file.

    Raises:
        EndpointError, BudgetError, ConfigError: The journal keeps the replies received; the same call continues where
            this one stopped.
    """
    with Journal(journal) as store:
        _backend(settings)(requests, settings, store)


def _backend(settings: LlmSettings) -> Callable[[Iterable[ChatRequest], LlmSettings, Journal], None]:
    # Imported when needed: importing the client alone takes a second.
    if settings.backend == "http":
        from valuedrift.llm.http_backend import complete_http

        return complete_http
    if settings.backend == "batch":
        from valuedrift.llm.batch import complete_batch

        return complete_batch
    from valuedrift.llm.local_backend import complete_locally

    return complete_locally


def ask(requests: Sequence[ChatRequest], settings: LlmSettings, journal: Path) -> list[ChatReply]:
    """Call `complete`, and return the replies in the order of the requests."""
    complete(requests, settings, journal)
    return list(replies(requests, settings, journal))


def replies(requests: Iterable[ChatRequest], settings: LlmSettings, journal: Path) -> Iterator[ChatReply]:
    """Yield the replies in the journal of a finished `complete`, in the order of the requests."""
    with Journal.read(journal) as store:
        for request in requests:
            yield reply_from(store[request.key(settings.model)])


def reply_from(value: dict[str, Any]) -> ChatReply:
    """Return the reply in one value of a journal."""
    fields = {name: value[name] for name in ("text", "finish", "prompt_tokens", "completion_tokens", "latency")}
    return ChatReply(**fields, top_logprobs=tuple((token, logprob) for token, logprob in value["top_logprobs"]))
