"""Requests to chat models, and what a journal has of them."""

from __future__ import annotations

import json
from pathlib import Path

from valuedrift.llm.request import ChatRequest, Turn


def questions(count: int, prefix: str = "question") -> list[ChatRequest]:
    return [ChatRequest((Turn("user", f"{prefix} {i}"),), max_tokens=10, top_logprobs=3) for i in range(count)]


def keys_of(journal: Path) -> list[str]:
    return [json.loads(line)["key"] for line in journal.read_text().splitlines()]
