"""Classify a server's responses, and define the errors that stop a job."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ConfigError, ValueDriftError
from valuedrift.llm.chat_format import Answered, Failed, parse_reply
from valuedrift.llm.request import ChatReply

OPENAI = "https://api.openai.com/v1"

_OVERLOADED = (429, 502, 503, 529)  # their cause is the server, not the request
_TRANSIENT = (408, 409, 425)
_NO_MONEY = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_FILTERED = ("content_filter", "content_policy_violation")
# OpenAI gives a code; vLLM, llama.cpp and TGI give sentences of their own.
_TOO_LONG = re.compile(
    r"context_length_exceeded|string_above_max_length|exceed_context_size|context (length|window|size)"
    r"|maximum model length|max_new_tokens. must be"
)


class EndpointError(ValueDriftError):
    """The endpoint refuses all further requests, or hasn't answered within the setting `patience`."""


class BudgetError(ValueDriftError):
    """The next request might exceed the budget. With a higher budget the same job continues where it stopped."""


@dataclass(frozen=True)
class Response:
    """The response to a request.

    Attributes:
        status: The HTTP status; 0 if no complete response was received.
        sent_at: Time of sending on the monotonic clock.
        latency: Seconds from sending to the last byte.
        fault: Why there is no complete response, if `status` is 0.
        unreachable: Whether no connection was made.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    sent_at: float
    latency: float
    fault: str = ""
    unreachable: bool = False


@dataclass(frozen=True)
class Overloaded:
    """The server accepts no requests at present. `wait` is the time in seconds that it asks to wait, if it does."""

    cause: str
    wait: float | None


@dataclass(frozen=True)
class Refused:
    """No request of this job can be answered."""

    status: int
    message: str
    parameter: str


Outcome = Answered | Overloaded | Failed | Refused


def classify(response: Response, wants_logprobs: bool) -> Outcome:
    """Return the outcome of a request from its response."""
    if response.status == 0:
        return Overloaded(response.fault, None) if response.unreachable else Failed(response.fault)
    if response.status < 300:
        return parse_reply(response.content, response.latency, wants_logprobs)
    told = read_error(response.content)
    if response.status in (400, 413, 422) and told["code"] in _FILTERED:
        return Answered(ChatReply(told["message"], "content_filter", 0, 0, 0.0))
    if response.status == 413 or (response.status in (400, 422) and _TOO_LONG.search(" ".join(told.values()))):
        return Answered(ChatReply(told["message"], "error", 0, 0, 0.0))
    cause = f"HTTP {response.status}: {told['message']}"
    if response.status in _OVERLOADED and not {told["code"], told["type"]} & set(_NO_MONEY):
        return Overloaded(cause, retry_after(response.headers))
    if response.status in _TRANSIENT or response.status >= 500:
        return Failed(cause)
    return Refused(response.status, told["message"], told["param"])


def read_error(content: bytes) -> dict[str, str]:
    """Return message, code, type and param of an error's body, each as a string, for any content."""
    try:
        body = json.loads(content)
    except ValueError:
        body = {"message": content.decode("utf-8", "replace")[:300]}
    found = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(found, dict):
        found = {"message": found}
    return {name: str(found.get(name) or "")[:1000] for name in ("message", "code", "type", "param")}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait: retry-after-ms, or Retry-After in seconds or as an HTTP date."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after", "")
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value)
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def base_url(settings: LlmSettings) -> str:
    """Return the endpoint's address up to and including /v1. Raises ConfigError if it isn't an HTTP address."""
    url = settings.url or OPENAI
    if not re.match(r"https?://[^/]", url):
        raise ConfigError("url", url, "http:// or https://, host and path, such as http://localhost:8000/v1")
    return url


def endpoint_name(settings: LlmSettings) -> str:
    """Return endpoint and model as error messages name them."""
    return f"{settings.url or OPENAI}, model '{settings.model}'"


def refused_error(refused: Refused, settings: LlmSettings) -> EndpointError:
    """Return the error for a job whose requests the endpoint refuses, with advice on what to do."""
    variable = settings.key_variable
    advice = {
        401: f"Check the key in the environment variable {variable}.",
        403: f"Check what the key in the environment variable {variable} may use.",
        404: "Check the settings 'url' and 'model'.",
        429: "The account's quota is used up: raise it and run again.",
    }.get(refused.status, "The journal keeps the replies that came.")
    if refused.parameter == "temperature":
        advice = "Reasoning models accept temperature 1 only."
    return EndpointError(f"{endpoint_name(settings)}: refused with HTTP {refused.status}: {refused.message} {advice}")
