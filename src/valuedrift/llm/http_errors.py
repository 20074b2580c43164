"""What a response of a server means for the request, and the errors that stop a job.

ValueDriftError
├── EndpointError     the server refuses, or is not to be reached
└── BudgetError       the next request might pass the cost limit
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from valuedrift.errors import ValueDriftError
from valuedrift.llm.chat_format import Malformed, parse_reply
from valuedrift.llm.request import ChatReply

_OVERLOADED = (429, 502, 503, 529)  # says something about the server, not about the request
_TRANSIENT = (408, 409, 425)
_NO_MONEY = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_FILTERED = ("content_filter", "content_policy_violation")
# OpenAI gives a code; vLLM, llama.cpp and TGI give sentences of their own.
_TOO_LONG = re.compile(
    r"context_length_exceeded|string_above_max_length|exceed_context_size|context (length|window|size)"
    r"|maximum model length|max_new_tokens. must be"
)


class EndpointError(ValueDriftError):
    """The endpoint refuses all further requests, or hasn't answered within the patience of the settings."""


class BudgetError(ValueDriftError):
    """The cost limit is reached; with a higher one the same job goes on where it stopped."""


@dataclass(frozen=True)
class Response:
    """What came back. status 0: nothing whole, and `fault` says what happened.

    sent_at: on the monotonic clock · latency: seconds to the last byte · unreachable: no connection came about
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    sent_at: float
    latency: float
    fault: str = ""
    unreachable: bool = False


@dataclass(frozen=True)
class Answered:
    reply: ChatReply


@dataclass(frozen=True)
class Overloaded:
    """The server takes no request now. wait: the seconds that it asked for."""

    cause: str
    wait: float | None


@dataclass(frozen=True)
class Failed:
    """This try failed, another may not. The tokens were billed all the same."""

    cause: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True)
class Refused:
    """No request of this job can be answered."""

    status: int
    message: str
    parameter: str


Verdict = Answered | Overloaded | Failed | Refused


def judge(response: Response, wants_logprobs: bool) -> Verdict:
    """What a response means for its request and for the job."""
    if response.status == 0:
        return Overloaded(response.fault, None) if response.unreachable else Failed(response.fault)
    if response.status < 300:
        try:
            return Answered(parse_reply(response.content, response.latency, wants_logprobs))
        except Malformed as fault:
            return Failed(str(fault), fault.prompt_tokens, fault.completion_tokens)
    error = error_of(response.content)
    if unanswerable := unanswerable_reply(response.status, error):
        return Answered(unanswerable)
    cause = f"HTTP {response.status}: {error['message']}"
    if response.status in _OVERLOADED and not {error["code"], error["type"]} & set(_NO_MONEY):
        return Overloaded(cause, retry_after(response.headers))
    if response.status in _TRANSIENT or response.status >= 500:
        return Failed(cause)
    return Refused(response.status, error["message"], error["param"])


def unanswerable_reply(status: int, error: Mapping[str, str]) -> ChatReply | None:
    """The reply that stands for a request that no retry can answer, too long or filtered; None for other errors."""
    if status not in (400, 413, 422):
        return None
    if error["code"] in _FILTERED:
        return ChatReply(error["message"], "content_filter", 0, 0, 0.0)
    if status == 413 or _TOO_LONG.search(f"{error['code']} {error['type']} {error['message']}"):
        return ChatReply(error["message"], "error", 0, 0, 0.0)
    return None


def error_of(content: bytes | Any) -> dict[str, str]:
    """message, code, type and param of an error body, each a string, whatever the server sent."""
    try:
        body = json.loads(content) if isinstance(content, bytes) else content
    except ValueError:
        body = {"message": content.decode("utf-8", "replace")[:300]}
    found = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(found, dict):
        found = {"message": found}
    return {name: str(found.get(name) or "")[:1000] for name in ("message", "code", "type", "param")}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: retry-after-ms, or Retry-After in seconds or as an HTTP date."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after", "")
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value)
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
