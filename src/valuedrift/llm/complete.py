"""Ask a chat model many things, each once: replies go to a journal, and what it holds is not asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatReply, ChatRequest


def complete(requests: Iterable[ChatRequest], settings: LlmSettings, journal: Path) -> None:
    """See to it that every distinct request has its reply in the journal; those there already are not sent.

    requests may be a generator of any length: memory grows by some 140 bytes for each entry of the journal, no more.
    Raises EndpointError, BudgetError or ConfigError; the journal then keeps the replies that came, and the same call
    goes on where it stopped. A request that can't be answered has a reply with finish `error` or `content_filter`.
    """
    with Journal(journal) as store:
        _backend(settings)(requests, settings, store)


def _backend(settings: LlmSettings) -> Callable[[Iterable[ChatRequest], LlmSettings, Journal], None]:
    # Imported where they are used: the client alone takes a second.
    if settings.backend == "http":
        from valuedrift.llm.http_backend import complete_http

        return complete_http
    if settings.backend == "batch":
        from valuedrift.llm.batch import complete_batch

        return complete_batch
    from valuedrift.llm.local_backend import complete_locally

    return complete_locally


def ask(requests: Sequence[ChatRequest], settings: LlmSettings, journal: Path) -> list[ChatReply]:
    """`complete`, and the replies in the order of the requests."""
    complete(requests, settings, journal)
    return list(replies(requests, settings, journal))


def replies(requests: Iterable[ChatRequest], settings: LlmSettings, journal: Path) -> Iterator[ChatReply]:
    """The replies that a finished `complete` left, one at a time, in the order of the requests."""
    with Journal.read(journal) as store:
        for request in requests:
            yield reply_from(store[request.key(settings.model)])


def reply_from(value: dict[str, Any]) -> ChatReply:
    """The reply in a journal's value."""
    top = tuple((token, logprob) for token, logprob in value["top_logprobs"])
    return ChatReply(
        value["text"], value["finish"], value["prompt_tokens"], value["completion_tokens"], value["latency"], top
    )
