"""What the official client sends by: requests leave at a pace and within a deadline, by the shortest way there is."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextvars import ContextVar
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from openai import DefaultAioHttpClient

from valuedrift.llm.pace import Pace

SENT_AT: ContextVar[float] = ContextVar("sent_at")
"""When the task's request was sent, on the monotonic clock."""

_KEEP_ALIVE = 5.0  # seconds that an idle connection stays open


class Stopped(Exception):
    """The job stops, so the request was not sent."""


class Sender(DefaultAioHttpClient):
    """Sends when the pace admits it, and bounds the time from sending to the last byte.

    Here and not around the whole call, so that requests are built and replies are read while others are with the
    server: a place in flight is then never held by work of our own. The transport is aiohttp's, which needs half the
    CPU time of the client's default.
    """

    def __init__(self, pace: Pace, deadline: float, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls, limits=httpx2.Limits(max_connections=pace.most))
        self._pace, self._deadline = pace, deadline

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        if not await self._pace.enter():
            raise Stopped
        sent_at = time.monotonic()
        SENT_AT.set(sent_at)
        try:
            async with asyncio.timeout(self._deadline):
                response = await self.transmit(request, **options)
        finally:
            self._pace.leave()
        response.elapsed = timedelta(seconds=time.monotonic() - sent_at)
        return response

    async def transmit(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send and read the whole response."""
        return await super().send(request, **options)


class StraightSender(Sender):
    """Goes straight to aiohttp, for bodies that are bytes and an address that no proxy stands before.

    httpx2's ways of building and sending a request know of queries, uploads, cookies, redirects and streams. They took
    a third of a reply's CPU time, and redirects alone can occur here: aiohttp follows them.
    """

    def __init__(self, pace: Pace, deadline: float, tls: ssl.SSLContext, address: str) -> None:
        super().__init__(pace, deadline, tls)
        self._url = httpx2.URL(address)  # reading it for every request would take longer than building the rest
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=pace.most, keepalive_timeout=_KEEP_ALIVE, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),
            auto_decompress=False,
        )

    def build_request(self, method: str, url: httpx2.URL | str, **parts: Any) -> httpx2.Request:
        return httpx2.Request(method, self._url, headers=parts["headers"], stream=httpx2.ByteStream(parts["content"]))

    async def transmit(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        headers = request.headers.multi_items()
        async with self._session.post(str(self._url), headers=headers, data=request.read()) as raw:
            content = await raw.read()
        return httpx2.Response(raw.status, headers=raw.raw_headers, content=content, request=request)

    async def aclose(self) -> None:
        await self._session.close()
        await super().aclose()


def sender(pace: Pace, deadline: float, address: str) -> Sender:
    """What sends to an address. Needs a running event loop."""
    tls = httpx2.create_ssl_context()
    return Sender(pace, deadline, tls) if behind_proxy(address) else StraightSender(pace, deadline, tls, address)


def behind_proxy(address: str) -> bool:
    """Whether the environment names a proxy for this address."""
    parts, proxies = urlsplit(address), getproxies()
    return bool(proxies.get(parts.scheme) or proxies.get("all")) and not proxy_bypass(parts.netloc)
