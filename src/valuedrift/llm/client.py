"""The official client, tamed: no retries of its own, a deadline over all of a request, no key in what it returns."""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import httpx2
from openai import APIError, APIStatusError, AsyncOpenAI, Omit, RequestOptions

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ConfigError
from valuedrift.llm.http_errors import EndpointError, Refused, Response
from valuedrift.llm.pace import Pace
from valuedrift.llm.sending import SENT_AT, Stopped, sender

OPENAI = "https://api.openai.com/v1"
_NO_KEY = "none"  # local servers want none, the client wants one
_KEY_LIKE = re.compile(rb"(?i)(bearer\s+|\bsk-)[^\s\"'\\,}]+")


def secret_of(settings: LlmSettings) -> str:
    """The key in the environment variable that the settings name, "none" where it isn't set. ConfigError for no key."""
    key = os.environ.get(settings.key_variable, "").strip() or _NO_KEY
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise ConfigError(
            "key_variable", settings.key_variable, "a variable with a key of ASCII letters, digits and marks"
        )
    return key


def check_url(settings: LlmSettings) -> None:
    """ConfigError for an address that no request can go to."""
    if not re.match(r"https?://[^/]", settings.url or OPENAI):
        raise ConfigError("url", settings.url, "http:// or https://, host and path, as http://localhost:8000/v1")


class Redaction:
    """Takes the key out of what a server sends, in every form in which it may have come back."""

    def __init__(self, key: str) -> None:
        forms = {key, json.dumps(key)[1:-1], quote(key, safe=""), base64.b64encode(key.encode()).decode()}
        self._forms = [form.encode() for form in forms] if key != _NO_KEY else []

    def __call__(self, content: bytes) -> bytes:
        for form in self._forms:
            content = content.replace(form, b"[key]")
        return content

    def error(self, content: bytes) -> bytes:
        """An error's body: whatever looks like a key goes, since servers show parts of the key they refuse."""
        return _KEY_LIKE.sub(b"[key]", self(content))


class Client:
    """Sends chat requests at a pace, and turns everything that can happen to them into a Response."""

    def __init__(self, settings: LlmSettings, pace: Pace) -> None:
        key = secret_of(settings)
        check_url(settings)
        address = settings.url or OPENAI
        self._url = f"{address.rstrip('/')}/chat/completions"
        self._timeout, self._redact = settings.timeout, Redaction(key)
        http_client = sender(pace, settings.timeout, self._url)
        self._client = AsyncOpenAI(
            base_url=address, api_key=key, timeout=settings.timeout, max_retries=0, http_client=http_client
        )
        self._options = _options(self._client, settings.timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def chat(self, body: Mapping[str, Any]) -> Response | None:
        """Send one request and wait for the whole of its answer. None where the job stops before it is sent."""
        SENT_AT.set(time.monotonic())
        try:
            # A whole address and the raw response: joining it to the base address for every request, and building the
            # client's models of the answer, would take longer than all the rest.
            raw = await self._client.post(self._url, cast_to=httpx2.Response, body=body, options=self._options)
            return Response(raw.status_code, raw.headers, self._redact(raw.content), SENT_AT.get(), _latency(raw))
        except Stopped:
            return None
        except APIStatusError as error:
            raw = error.response
            content = self._redact.error(raw.content)
            return Response(raw.status_code, raw.headers, content, SENT_AT.get(), _latency(raw))
        except TimeoutError:
            fault, unreachable = f"no whole answer within {self._timeout:g} s", False
        except (APIError, httpx2.HTTPError, aiohttp.ClientError, OSError, ValueError) as error:
            fault, unreachable = _describe(error), _unreachable(error)
        return Response(0, {}, b"", SENT_AT.get(), 0.0, fault, unreachable)


def _options(client: AsyncOpenAI, timeout: float) -> RequestOptions:
    """What every request has in common. Options that are left to the client are copied anew for each, and headers in
    which it would tell of itself and of this machine are built, which takes a third of its time.

    idempotency_key: empty, or a random one would be drawn, and not sent
    """
    unsaid = (*client.platform_headers(), "x-stainless-retry-count", "x-stainless-read-timeout")
    return {
        "headers": dict.fromkeys(unsaid, Omit()),
        "params": {},
        "max_retries": 0,
        "timeout": timeout,
        "idempotency_key": "",
        "follow_redirects": True,
        "security": {"bearer_auth": True},
    }


def _latency(response: httpx2.Response) -> float:
    return response.elapsed.total_seconds()


def _describe(error: BaseException) -> str:
    """The kind of the innermost error. Messages may quote a request's headers, so they stay out."""
    chain = [type(error).__name__]
    while error.__cause__ is not None:
        error = error.__cause__
        chain.append(type(error).__name__)
    return f"the connection failed ({', '.join(dict.fromkeys(chain))})"


def _unreachable(error: BaseException | None) -> bool:
    """Whether no connection came about, which says nothing about the request."""
    while error is not None:
        if isinstance(error, aiohttp.ClientConnectorError | ConnectionRefusedError):
            return True
        error = error.__cause__
    return False


def place(settings: LlmSettings) -> str:
    """Endpoint and model, as errors name them."""
    return f"{settings.url or OPENAI}, model '{settings.model}'"


def refusal(refused: Refused, settings: LlmSettings) -> EndpointError:
    """The error for a job whose requests the endpoint refuses, with what to do."""
    variable = settings.key_variable
    advice = {
        401: f"Check the key in the environment variable {variable}.",
        403: f"Check what the key in the environment variable {variable} may use.",
        404: "Check the settings 'url' and 'model'.",
        429: "The account's quota is used up; pay it up and run again.",
    }.get(refused.status, "The journal keeps the replies that came.")
    if refused.parameter == "temperature":
        advice = "Reasoning models take temperature 1 alone."
    return EndpointError(f"{place(settings)}: refused with HTTP {refused.status}: {refused.message} {advice}")
