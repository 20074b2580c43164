"""What a server's response means for its request, and the errors that stop a job."""

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

_OVERLOADED = (429, 502, 503, 529)  # about the server, not about the request
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
    """What came back for a request.

    Attributes:
        status: The HTTP status; 0 where no whole response came, and `fault` then says why.
        sent_at: Time on the monotonic clock.
        latency: Seconds from sending to the last byte.
        unreachable: No connection was made.
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
    """The server accepts no requests now. `wait`: the seconds that it asked for."""

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
    """What a response means for its request and for the job."""
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
    """message, code, type and param of an error body, each a string, whatever the server sent."""
    try:
        body = json.loads(content)
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


def base_url(settings: LlmSettings) -> str:
    """The endpoint's address up to and with /v1. Raises ConfigError if no request can be sent to it."""
    url = settings.url or OPENAI
    if not re.match(r"https?://[^/]", url):
        raise ConfigError("url", url, "http:// or https://, host and path, such as http://localhost:8000/v1")
    return url


def endpoint_name(settings: LlmSettings) -> str:
    """Endpoint and model, as errors name them."""
    return f"{settings.url or OPENAI}, model '{settings.model}'"


def refused_error(refused: Refused, settings: LlmSettings) -> EndpointError:
    """The error for a job whose requests the endpoint refuses, with what to do."""
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
