"""Responses, the words of a server in its errors, and the errors that stop a job."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ConfigError, ValueDriftError
from valuedrift.llm.api_key import hide_keys

if TYPE_CHECKING:
    from valuedrift.llm.retry_rules import Fault

OPENAI = "https://api.openai.com/v1"


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


def read_error(body: object) -> dict[str, str]:
    """Return message, code, type and param of an error's decoded body, each as a string, for any content.

    Servers nest their words differently: `{"error": {"message": …}}`, `{"detail": …}`, `[{"error": …}]`, plain text.
    If there is no message, it is the whole of what is there, as JSON.
    """
    found = body
    for name in ("error", "detail", "errors", "error"):
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        if isinstance(found, dict) and found.get(name):
            found = found[name]
    fields = found if isinstance(found, dict) else {"message": found}
    message = fields.get("message")
    if not isinstance(message, str) or not message.strip():
        message = json.dumps(found, ensure_ascii=False)
    if fields.get("metadata"):  # OpenRouter's has the provider's words
        message += f" {json.dumps(fields['metadata'], ensure_ascii=False)}"
    told = {"message": message, "code": fields.get("code"), "param": fields.get("param")}
    told["type"] = fields.get("type") or fields.get("status")
    return {name: hide_keys(str(value or "").strip())[:1000] for name, value in told.items()}


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


def base_url(settings: LlmSettings) -> tuple[str, dict[str, str]]:
    """Return the endpoint's address up to and including /v1, and the parameters of its query, such as api-version.

    Raises ConfigError if it isn't an HTTP address.
    """
    url = settings.url or OPENAI
    if not re.match(r"https?://[^/]", url):
        raise ConfigError("url", url, "http:// or https://, host and path, such as http://localhost:8000/v1")
    parts = urlsplit(url)
    path = parts.path.rstrip("/").removesuffix("/chat/completions")
    return f"{parts.scheme}://{parts.netloc}{path}", dict(parse_qsl(parts.query))


def endpoint_name(settings: LlmSettings) -> str:
    """Return endpoint and model as error messages name them."""
    return f"{settings.url or OPENAI}, model '{settings.model}'"


def mentions_logprobs(text: str) -> bool:
    """Whether a message is about log-probabilities, in a server's words or in ours."""
    return re.search(r"log.?prob|top_n_tokens", text, re.IGNORECASE) is not None


def stop_error(fault: Fault, settings: LlmSettings, attempts: int = 1) -> EndpointError:
    """Return the error for a job whose requests can't be answered, with advice on what to do."""
    variable = settings.key_variable
    advice = {
        401: f"Check the key in the environment variable {variable}.",
        402: "Check the account's credit.",
        403: f"Check what the key in the environment variable {variable} may use.",
        404: "Check the settings 'url' and 'model'.",
        429: "The account's quota is used up: raise it and run again.",
    }.get(fault.status, "Check the setting 'url'." if fault.is_the_jobs else "The journal keeps the replies that came.")
    if fault.parameter == "temperature":
        advice = "Reasoning models accept temperature 1 only."
    if mentions_logprobs(fault.cause):
        advice = "If the endpoint gives no log-probabilities, set the judge's `samples` to judge by sampled replies."
    place = endpoint_name(settings)
    if fault.case.repeat == "attempts":
        return EndpointError(
            f"{place}: found {fault.cause} in {attempts} attempts at one request, and no other was answered meanwhile; "
            f"expected replies. {advice} Run again to continue."
        )
    return EndpointError(f"{place}: refused with {fault.cause} {advice}")
