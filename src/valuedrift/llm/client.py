"""Chat requests through the official OpenAI client: paced, within a deadline, without the client's own retries."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx2
from openai import APIError, APIStatusError, AsyncOpenAI, DefaultAioHttpClient

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.api_key import Redaction, read_key
from valuedrift.llm.http_errors import Response, base_url
from valuedrift.llm.pace import Pace


class Client:
    """Sends chat requests at a pace, and turns everything that can happen to one into a Response."""

    def __init__(self, settings: LlmSettings, pace: Pace) -> None:
        key = read_key(settings.key_variable)
        self._pace, self._deadline, self._redact = pace, settings.timeout, Redaction(key)
        # The aiohttp transport needs half the CPU time of the default one.
        transport = DefaultAioHttpClient(limits=httpx2.Limits(max_connections=pace.most))
        self._client = AsyncOpenAI(
            base_url=base_url(settings), api_key=key, timeout=None, max_retries=0, http_client=transport
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def chat(self, body: Mapping[str, Any]) -> Response | None:
        """Send one request and wait for the whole response. Returns None if the job stops before it is sent."""
        if not await self._pace.enter():
            return None
        sent_at = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline):
                raw = await self._client.chat.completions.with_raw_response.create(**body)
            return Response(raw.status_code, raw.headers, self._redact(raw.content), sent_at, _seconds_since(sent_at))
        except APIStatusError as error:
            raw_error = error.response
            content = self._redact.error(raw_error.content)
            return Response(raw_error.status_code, raw_error.headers, content, sent_at, _seconds_since(sent_at))
        except TimeoutError:
            fault, unreachable = f"no whole response within {self._deadline:g} s", False
        except APIError as error:
            fault, unreachable = _describe(error), _is_unreachable(error)
        finally:
            self._pace.leave()
        return Response(0, {}, b"", sent_at, 0.0, fault, unreachable)


def _seconds_since(moment: float) -> float:
    return time.monotonic() - moment


def _describe(error: BaseException) -> str:
    """The classes of an error and its causes. Their messages may quote the request's headers, so they stay out."""
    chain = [type(error).__name__]
    while error.__cause__ is not None:
        error = error.__cause__
        chain.append(type(error).__name__)
    return f"the connection failed ({', '.join(dict.fromkeys(chain))})"


def _is_unreachable(error: BaseException | None) -> bool:
    """Whether no connection was made, which says nothing about the request."""
    while error is not None:
        if isinstance(error, httpx2.ConnectError | ConnectionRefusedError):
            return True
        error = error.__cause__
    return False
