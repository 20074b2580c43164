"""Requests to chat models, and what a journal has of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from valuedrift.llm.request import ChatRequest, Turn


def questions(count: int, prefix: str = "question") -> list[ChatRequest]:
    return [ChatRequest((Turn("user", f"{prefix} {i}"),), max_tokens=10, top_logprobs=3) for i in range(count)]


def keys_of(journal: Path) -> list[str]:
    return [json.loads(line)["key"] for line in journal.read_text().splitlines()]


Client = subprocess.Popen[bytes]


def start_client(code: str, *arguments: object) -> Client:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stderr=subprocess.DEVNULL)


def kill_when(condition: Callable[[], bool], client: Client, delay: float = 0.0) -> None:
    """Kill -9 the client `delay` seconds after the condition holds."""
    while not condition():
        assert client.poll() is None, "the client ended before it could be killed"
        time.sleep(0.002)
    time.sleep(delay)
    client.send_signal(signal.SIGKILL)
    assert client.wait() == -signal.SIGKILL
