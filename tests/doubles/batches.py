"""OpenAI's Files and Batches API in memory, with the ways in which a batch can end."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from doubles.endpoint import serve
from doubles.faults import FaultyServer, answer, error, question


@dataclass
class BatchServer(FaultyServer):
    """endings: how the batches end, in the order of their creation, `completed` when the list is used up:
    completed, expired and cancelled (every other line answered), failed, queue full, broken lines (each tenth line HTTP
    500), all broken, lost (created, but the call that creates it fails)

    polls: looks at a batch before it ends · failing_calls: how many calls of any kind answer 503 first
    slow: seconds that each call takes; a batch is made at the beginning of its call, a file sent in pieces
    unlisted: how many lists leave a new batch out · calls: the kinds of call that came, in their order
    """

    endings: list[str] = field(default_factory=list)
    polls: int = 1
    failing_calls: int = 0
    slow: float = 0.0
    unlisted: int = 0
    calls: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    most_out: int = 0
    answered: Counter[str] = field(default_factory=Counter)

    @web.middleware
    async def check(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if refusal := self.refuse(request):
            return refusal
        if self.failing_calls > 0:
            self.failing_calls -= 1
            return error(503, f"busy, asked with {request.headers.get('Authorization')}")
        self.calls.append(handler.__name__)
        return await handler(request)

    async def upload(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.slow)
        form = await request.post()
        content = form["file"].file.read()  # type: ignore[union-attr]
        assert form["purpose"] == "batch"
        name = f"file-{uuid.uuid4().hex}"
        self.files[name] = content
        self.sizes.append((len(content.splitlines()), len(content)))
        return web.json_response({"id": name})

    async def content(self, request: web.Request) -> web.StreamResponse:
        content, response = self.files[request.match_info["file"]], web.StreamResponse()
        response.content_length = len(content)
        await response.prepare(request)
        size = max(1, len(content) // 5)
        for start in range(0, len(content), size):
            await response.write(content[start : start + size])
            await asyncio.sleep(self.slow / 5)
        return response

    async def create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        name = f"batch_{uuid.uuid4().hex}"
        ending = self.endings[len(self.made)] if len(self.made) < len(self.endings) else "completed"
        self.made[name] = {
            "id": name,
            "input_file_id": asked["input_file_id"],
            "metadata": asked["metadata"],
            "created_at": int(time.time()),
            "status": "in_progress",
            "polls": 0,
            "lists": 0,
            "ending": ending,
        }
        self.most_out = max(self.most_out, sum(each["status"] == "in_progress" for each in self.made.values()))
        await asyncio.sleep(self.slow)
        return error(500, "lost") if ending == "lost" else web.json_response(self.made[name])

    async def listed(self, request: web.Request) -> web.Response:
        for batch in self.made.values():
            batch["lists"] += 1
        newest_first = [batch for batch in self.made.values() if batch["lists"] > self.unlisted][::-1]
        return web.json_response({"object": "list", "data": newest_first, "has_more": False})

    async def look(self, request: web.Request) -> web.Response:
        batch = self.made.get(request.match_info["batch"])
        if batch is None:
            return error(404, "No such batch.")
        await asyncio.sleep(self.slow)
        batch["polls"] += 1
        if batch["polls"] > self.polls and batch["status"] == "in_progress":
            self._end(batch)
        return web.json_response(batch)

    def end_all(self) -> None:
        """End the batches that nobody looks at any more; they are paid all the same."""
        for batch in self.made.values():
            if batch["status"] == "in_progress":
                self._end(batch)

    def _end(self, batch: dict[str, Any]) -> None:
        ending = batch["ending"]
        batch["status"] = ending if ending in ("expired", "cancelled", "failed") else "completed"
        if ending in ("failed", "queue full"):
            code = "token_limit_exceeded" if ending == "queue full" else "model_not_found"
            batch |= {"status": "failed", "errors": {"data": [{"code": code, "message": "no, with sk-planted/x"}]}}
            return
        good, bad = [], []
        for index, line in enumerate(self.files[batch["input_file_id"]].splitlines()):
            request = json.loads(line)
            outcome = self._line(ending, index, request)
            (good if outcome["response"] and outcome["response"]["status_code"] == 200 else bad).append(outcome)
        batch["output_file_id"], batch["error_file_id"] = self._file(good), self._file(bad)

    def _line(self, ending: str, index: int, request: dict[str, Any]) -> dict[str, Any]:
        outcome = {"id": f"batch_req_{index}", "custom_id": request["custom_id"], "response": None, "error": None}
        if ending in ("expired", "cancelled") and index % 2:
            return outcome | {"error": {"code": f"batch_{ending}", "message": "not in time"}}
        status, body = answer(request["body"])
        if ending == "all broken" or (ending == "broken lines" and index % 10 == 0):
            status, body = 500, {"error": {"message": "The server had an error."}}
        if status == 200:
            self.answered[question(request["body"])] += 1
        return outcome | {"response": {"status_code": status, "request_id": "x", "body": body}}

    def _file(self, lines: list[dict[str, Any]]) -> str | None:
        if not lines:
            return None
        name = f"file-{uuid.uuid4().hex}"
        self.files[name] = b"".join(json.dumps(line).encode() + b"\n" for line in lines[::-1])  # in no order
        return name


@contextmanager
def batches(server: BatchServer) -> Iterator[BatchServer]:
    """Serve; `server.url` is the address up to and with /v1."""
    application = web.Application(client_max_size=2**28, middlewares=[server.check])
    application.router.add_post("/v1/chat/completions", server.chat)
    application.router.add_post("/v1/files", server.upload)
    application.router.add_get("/v1/files/{file}/content", server.content)
    application.router.add_post("/v1/batches", server.create)
    application.router.add_get("/v1/batches", server.listed)
    application.router.add_get("/v1/batches/{batch}", server.look)
    with serve(application) as address:
        server.url = f"{address}/v1"
        yield server
