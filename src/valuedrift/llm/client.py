"""Send chat requests with the official OpenAI client, at a pace, with a deadline, without the client's own retries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp
import httpx2
from openai import APIError, APIStatusError, AsyncOpenAI, DefaultAioHttpClient

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.api_key import Redaction, read_key
from valuedrift.llm.http_responses import Response, base_url
from valuedrift.llm.pace import Pace


class Client:
    """Sends chat requests at a pace, and returns every result, also faults of the connection, as a Response."""

    def __init__(self, settings: LlmSettings, pace: Pace) -> None:
        key = read_key(settings.key_variable)
        self._pace, self._deadline, self._redact = pace, settings.timeout, Redaction(key)
        # The aiohttp transport needs half the CPU time of the default one.
        limits = httpx2.Limits(max_connections=pace.most)
        # After most redirects the request would be sent without its body.
        transport = DefaultAioHttpClient(limits=limits, follow_redirects=False)
        self._client = AsyncOpenAI(**address(settings, key), timeout=None, max_retries=0, http_client=transport)

    async def aclose(self) -> None:
        await self._client.close()

    async def chat(self, body: Mapping[str, Any]) -> Response | None:
        """Send one request and wait for the whole response. Returns None if the job stops before it is sent."""
        if not await self._pace.enter():
            return None
        sent_at = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline):
                raw = await self._client.chat.completions.with_raw_response.create(**body)
            return self._response(raw.http_response, sent_at)
        except APIStatusError as error:
            return self._response(error.response, sent_at)
        except TimeoutError:
            fault, unreachable = f"no whole response within {self._deadline:g} s", False
        except (APIError, aiohttp.ClientError, OSError, ValueError) as error:  # the last three for what is not HTTP
            fault, unreachable = _describe(error), _is_unreachable(error)
        finally:
            self._pace.leave()
        return Response(0, {}, b"", sent_at, 0.0, fault, unreachable)

    def _response(self, raw: httpx2.Response, sent_at: float) -> Response:
        content = raw.content
        if raw.has_redirect_location:
            content = f"the address has moved to {raw.headers['location']}".encode()
        return Response(raw.status_code, raw.headers, self._redact(content), sent_at, time.monotonic() - sent_at)


def address(settings: LlmSettings, key: str) -> dict[str, Any]:
    """Return address, query and key as the official client's arguments."""
    url, query = base_url(settings)
    # Azure's addresses with a version take the key in a header of their own.
    headers = {"api-key": key} if "api-version" in query else None
    return {"base_url": url, "api_key": key, "default_query": query, "default_headers": headers}


def _describe(error: BaseException) -> str:
    """Return the classes of an error and its causes, without their messages, which may quote the request's headers."""
    names = dict.fromkeys(type(each).__name__ for each in _with_causes(error))
    return f"the connection failed ({', '.join(names)})"


def _is_unreachable(error: BaseException) -> bool:
    """Whether no connection was made, so that the failure doesn't depend on the request."""
    return any(isinstance(each, httpx2.ConnectError | ConnectionRefusedError) for each in _with_causes(error))


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
