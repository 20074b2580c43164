"""A local OpenAI-compatible chat endpoint whose replies come from a Python function."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

Answer = Callable[[dict[str, Any]], "dict[str, Any] | str"]


@contextmanager
def endpoint(answer: Answer) -> Iterator[str]:
    """Serve POST /v1/chat/completions on a free port of this machine; yields the address up to and with /v1.

    `answer` gets the request's body and returns
    - a string: the reply's text;
    - {"text": ..., "top_logprobs": [[token, logprob], ...], "finish": "stop", "prompt_tokens": 1,
      "completion_tokens": 1}: the reply with the first token's alternatives; all but `text` may be missing;
    - {"choices": ...}: a body sent as it is;
    - {"status": 400, "error": {"message": ..., "code": ...}}: an HTTP error.
    It runs in the server's thread, one request after the other.
    """

    async def chat(request: web.Request) -> web.Response:
        body = await request.json()
        answered = answer(body)
        if isinstance(answered, dict) and "status" in answered:
            return web.json_response({"error": answered["error"]}, status=answered["status"])
        return web.json_response(completion(answered, body["model"]))

    application = web.Application(client_max_size=2**26)
    application.router.add_post("/v1/chat/completions", chat)
    with serve(application) as address:
        yield f"{address}/v1"


@contextmanager
def raw_endpoint(answer: Callable[..., tuple[int, str]], with_path: bool = False) -> Iterator[str]:
    """Serve any POST: `answer` gets the request's body and returns a status and the text of the response.

    With `with_path` it also gets the path with its query, and the header api-key. The text of a redirect is its target.
    """

    async def post(request: web.Request) -> web.Response:
        also = (request.path_qs, request.headers.get("api-key")) if with_path else ()
        status, text = answer(await request.json(), *also)
        headers = {"Location": text} if 300 <= status < 400 else {}
        return web.Response(status=status, text=text, content_type="application/json", headers=headers)

    application = web.Application(client_max_size=2**26)
    application.router.add_post("/{path:.*}", post)
    with serve(application) as address:
        yield f"{address}/v1"


@contextmanager
def serve(application: web.Application) -> Iterator[str]:
    """Run an aiohttp application in a thread of its own; yields http://127.0.0.1:PORT."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)

    async def start() -> str:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def completion(answered: dict[str, Any] | str, model: str = "") -> dict[str, Any]:
    """The body of a chat completion, as OpenAI's and vLLM's servers write it."""
    if isinstance(answered, str):
        answered = {"text": answered}
    if "choices" in answered:
        return answered
    words = len(answered["text"].split())
    usage = {
        "prompt_tokens": answered.get("prompt_tokens", 10),
        "completion_tokens": answered.get("completion_tokens", words),
    }
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": answered["text"], "refusal": None},
        "finish_reason": answered.get("finish", "stop"),
        "logprobs": _logprobs(answered.get("top_logprobs")),
    }
    return {
        "id": "chatcmpl-double",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": answered.get("model", model),
        "choices": [choice],
        "usage": usage | {"total_tokens": sum(usage.values())},
    }


def _logprobs(first: list[tuple[str, float]] | None) -> dict[str, Any] | None:
    if first is None:
        return None
    top = [{"token": token, "logprob": logprob, "bytes": list(token.encode())} for token, logprob in first]
    return {"content": [{**top[0], "top_logprobs": top}] if top else [], "refusal": None}
