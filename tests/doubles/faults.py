"""An OpenAI-compatible endpoint that fails on purpose, by seeded chance, and counts what it did."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import web
from doubles.endpoint import completion, serve

# Beyond these a request's own text can make it unanswerable: see `answer`.
KINDS = (
    "429",
    "429 seconds",
    "429 date",
    "429 milliseconds",
    "500",
    "503",
    "time-out",
    "reset",
    "trickle",
    "malformed",
    "truncated JSON",
    "truncated body",
    "no logprobs",
    "no choices",
    "not a number",
    "a page",
)
TOO_LONG = "This model's maximum context length is 4096 tokens."


@dataclass
class FaultyServer:
    """faults: probability of each kind per request · hang: seconds of time-outs and trickles · latency: of good replies

    key: what the Authorization header must hold, None for anything; a refusal quotes the header
    served: how often each question got a whole, good reply · seen: how often each kind of fault was played
    """

    faults: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    hang: float = 2.0
    latency: float = 0.0
    retry_after: str = "0.05"
    key: str | None = None
    served: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0
    url: str = ""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if refusal := self.refuse(request):
                return refusal
            kind = self._draw()
            if kind:
                self.seen[kind] += 1
                return await self._fail(kind, request, body)
            return await self._reply(request, body)
        finally:
            self.in_flight -= 1

    def refuse(self, request: web.Request) -> web.Response | None:
        found = request.headers.get("Authorization", "")
        if self.key is None or found == f"Bearer {self.key}":
            return None
        return error(401, f"Incorrect API key provided: {found}.", "invalid_api_key")

    def _draw(self) -> str | None:
        kinds = list(self.faults)
        none = 1 - sum(self.faults.values())
        return self._random.choices([*kinds, None], [*self.faults.values(), none])[0]

    async def _reply(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if self.latency:
            await asyncio.sleep(self.latency)
        status, answered = answer(body)
        response = web.json_response(answered, status=status)
        await response.prepare(request)
        await response.write_eof()
        self.served[question(body)] += 1
        return response

    async def _fail(self, kind: str, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        quoted = f"{kind}, asked with {request.headers.get('Authorization')}"
        good = json.dumps(answer(body)[1])
        if kind in ("429", "500", "503"):
            return error(int(kind), quoted)
        if kind.startswith("429"):
            soon = datetime.now(UTC) + timedelta(seconds=1)
            waits = {
                "429 seconds": {"Retry-After": self.retry_after},
                "429 date": {"Retry-After": format_datetime(soon, usegmt=True)},
                "429 milliseconds": {"Retry-After-Ms": "20"},
            }
            return error(429, quoted, headers=waits[kind])
        if kind == "time-out":
            await asyncio.sleep(self.hang)
            return error(504, quoted)
        if kind == "trickle":
            return await self._trickle(request, good)
        if kind in ("reset", "truncated body"):
            return await self._break(request, good if kind == "truncated body" else "")
        return web.Response(text=broken(kind, body, good), content_type=_type(kind))

    async def _trickle(self, request: web.Request, good: str) -> web.StreamResponse:
        """Bytes at intervals far below any read time-out, for longer than a request may take."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.content_length = len(good)
        await response.prepare(request)
        steps = max(2, int(self.hang / 0.05))
        for index in range(steps):
            await response.write(good[index : index + 1].encode())
            await asyncio.sleep(self.hang / steps)
        return response

    async def _break(self, request: web.Request, good: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        if good:
            response.content_length = len(good)
            await response.prepare(request)
            await response.write(good[: len(good) // 2].encode())
        assert request.transport is not None
        request.transport.abort()
        return response


def question(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and body for a request: an echo, or what its text asks for (`too long …`, `filter …`, `refuse …`, …)."""
    asked = question(body)
    if asked.startswith("refuse"):
        return 400, {"error": {"message": "Inappropriate content.", "code": "data_inspection_failed"}}
    if asked.startswith("too long"):
        return 400, {"error": {"message": TOO_LONG, "code": "context_length_exceeded", "type": "invalid_request_error"}}
    if asked.startswith("filter"):
        return 400, {"error": {"message": "The prompt was filtered.", "code": "content_filter"}}
    reply: dict[str, Any] = {"text": f"echo {asked}", "prompt_tokens": 10, "completion_tokens": 10}
    if asked.startswith("censor"):
        reply["finish"] = "content_filter"
    if body.get("logprobs"):
        reply["top_logprobs"] = [("B", -2.5), ("A", -0.1), (asked[:8], -9999.0)]
    return 200, completion(reply, body["model"])


def broken(kind: str, body: dict[str, Any], good: str) -> str:
    """The text of a response with status 200 that isn't the completion that was asked for."""
    if kind == "no logprobs":
        whole = json.loads(good)
        whole["choices"][0]["logprobs"] = None
        return json.dumps(whole)
    return {
        "malformed": "{'choices': [",
        "truncated JSON": good[: len(good) // 2],
        "no choices": '{"choices": []}',
        "not a number": good.replace("-0.1", "NaN"),
        "a page": "<html>welcome to the proxy</html>",
    }[kind]


def _type(kind: str) -> str:
    return "text/html" if kind == "a page" else "application/json"


def error(status: int, message: str, code: str = "", headers: Mapping[str, str] | None = None) -> web.Response:
    return web.json_response({"error": {"message": message, "code": code}}, status=status, headers=headers)


@contextmanager
def faulty(server: FaultyServer) -> Iterator[FaultyServer]:
    """Serve; `server.url` is the address up to and with /v1."""
    application = web.Application(client_max_size=2**28)
    application.router.add_post("/v1/chat/completions", server.chat)
    with serve(application) as address:
        server.url = f"{address}/v1"
        yield server
