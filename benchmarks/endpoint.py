"""Throughput of the chat client compared with a bare load generator on the same local server; and its memory.

    python benchmarks/endpoint.py                       # throughput at three latencies
    python benchmarks/endpoint.py --memory 1000000      # memory for that many answers

Run it in the activated environment. The server runs in its own process and answers every chat request, after a fixed
latency, with the same reply of 20 log-probabilities. The generator is a bare aiohttp loop with as many workers as the
client, which prepares the request bodies beforehand and discards the replies. Their rounds alternate, so that other
work on the machine affects both. Prints Markdown. The arguments `serve LATENCY` run only the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.chat_format import body_of
from valuedrift.llm.complete import complete, replies
from valuedrift.llm.cost import value_of
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatReply, ChatRequest, Turn

PROMPT = "Does the answer below support, oppose or leave open the value in question? " * 12
LATENCIES = (0.0, 0.02, 0.05)


def request(number: int) -> ChatRequest:
    """A judge's request: about 300 tokens in, one out, with log-probabilities."""
    return ChatRequest((Turn("user", f"{PROMPT}{number}"),), max_tokens=1, top_logprobs=20)


def serve(latency: float) -> None:
    """Answer until the process is terminated; the first line on stdout is the port."""
    top = [{"token": f"token{i}", "logprob": -0.1 - i, "bytes": [65]} for i in range(20)]
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "A"},
        "finish_reason": "stop",
        "logprobs": {"content": [{**top[0], "top_logprobs": top}]},
    }
    usage = {"prompt_tokens": 300, "completion_tokens": 1, "total_tokens": 301}
    body = json.dumps(
        {"id": "x", "object": "chat.completion", "created": 0, "choices": [choice], "usage": usage}
    ).encode()

    async def chat(received: web.Request) -> web.Response:
        await received.read()
        if latency:
            await asyncio.sleep(latency)
        return web.Response(body=body, content_type="application/json")

    async def run() -> None:
        application = web.Application()
        application.router.add_post("/v1/chat/completions", chat)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(runner.addresses[0][1], flush=True)
        await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def server(latency: float) -> Iterator[str]:
    """Run the server in its own process; yields its address, including /v1."""
    command = [sys.executable, __file__, "serve", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        finally:
            process.terminate()


def plain(url: str, count: int, concurrency: int, offset: int) -> float:
    """Replies per second of the bare loop."""

    async def run() -> float:
        bodies = iter([json.dumps(body_of(request(offset + i), "judge")).encode() for i in range(count)])
        connector = aiohttp.TCPConnector(limit=concurrency)
        async with aiohttp.ClientSession(connector=connector, headers={"Content-Type": "application/json"}) as session:

            async def work() -> None:
                for body in bodies:
                    async with session.post(f"{url}/chat/completions", data=body) as response:
                        await response.read()

            start = time.perf_counter()
            await asyncio.gather(*(work() for _ in range(concurrency)))
            return count / (time.perf_counter() - start)

    return asyncio.run(run())


def client(url: str, count: int, concurrency: int, offset: int) -> tuple[float, float]:
    """Replies per second of `complete`, including keys, bodies, parsing and journal, and its CPU seconds per reply."""
    settings = LlmSettings(backend="http", model="judge", url=url, concurrency=concurrency)
    with tempfile.TemporaryDirectory() as folder:
        start, cpu = time.perf_counter(), time.process_time()
        complete((request(offset + i) for i in range(count)), settings, Path(folder) / "replies.jsonl")
        return count / (time.perf_counter() - start), (time.process_time() - cpu) / count


def throughput(count: int, concurrency: int, rounds: int) -> None:
    """Print both rates and their ratio as a table: medians over alternating rounds, after a warm-up round."""
    print(f"\n{concurrency} requests in flight, {count} replies per round, medians of {rounds} rounds\n")
    print("| server's latency | load generator, 1/s | client, 1/s | ratio | client's CPU, ms per reply |")
    print("|---|---|---|---|---|")
    for latency in LATENCIES:
        with server(latency) as url:
            client(url, 200, concurrency, -200)
            measured: list[tuple[float, float, float]] = []
            for index in range(rounds):
                rate = plain(url, count, concurrency, index * count)
                measured.append((rate, *client(url, count, concurrency, index * count)))
        bare, own, cpu = (statistics.median(column) for column in zip(*measured, strict=True))
        ratio = statistics.median(mine / other for other, mine, _ in measured)
        print(f"| {latency * 1000:.0f} ms | {bare:.0f} | {own:.0f} | {ratio:.2f} | {cpu * 1000:.2f} |", flush=True)


def memory(count: int, sent: int, concurrency: int) -> None:
    """Print time and peak resident memory of `complete` for `count` answers, the last `sent` of them not journalled."""
    print(f"\n{count} answers; peak memory of the process ({peak():.0f} MiB before the first step)\n")
    print("| step | seconds | peak memory, MiB |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, server(0.0) as url:
        journal, settings = (
            Path(folder) / "replies.jsonl",
            LlmSettings(backend="http", model="judge", url=url, concurrency=concurrency),
        )
        steps: dict[str, Callable[[], object]] = {
            f"{count - sent} replies written": lambda: fill(journal, count - sent),
            f"all asked for, {sent} sent": lambda: complete(map(request, range(count)), settings, journal),
            "all asked for, none sent": lambda: complete(map(request, range(count)), settings, journal),
            "all read": lambda: sum(1 for _ in replies(map(request, range(count)), settings, journal)),
        }
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            print(f"| {name} | {time.perf_counter() - began:.0f} | {peak():.0f} |", flush=True)
        print(f"\nThe journal has {journal.stat().st_size / 2**20:.0f} MiB.")


def fill(journal: Path, count: int) -> None:
    """Fill a journal as `complete` does."""
    value = value_of(ChatReply("A", "stop", 300, 1, 0.1, tuple((f"token{i}", -0.1 - i) for i in range(20))), 0.0)
    with Journal(journal) as store:
        for number in range(count):
            store.append(request(number).key("judge"), value)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=3000, help="replies per round (default 3000)")
    parser.add_argument("--concurrency", type=int, default=32, help="requests in flight (default 32)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each (default 5)")
    parser.add_argument("--memory", type=int, metavar="ANSWERS", help="measure memory for that many answers instead")
    parser.add_argument("--sent", type=int, default=20_000, help="how many of them to send (default 20000)")
    parser.add_argument("serve", nargs="*", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(float(chosen.serve[1]))
    elif chosen.memory:
        memory(chosen.memory, min(chosen.sent, chosen.memory), chosen.concurrency)
    else:
        throughput(chosen.count, chosen.concurrency, chosen.rounds)


if __name__ == "__main__":
    main()
