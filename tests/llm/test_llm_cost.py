"""Prediction of cost, and what the client makes of a server's hints about its limits."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.cost import Estimate, estimate, value_of
from valuedrift.llm.http_responses import retry_after
from valuedrift.llm.journal import Journal
from valuedrift.llm.pace import Pace, seconds, shortage
from valuedrift.llm.request import ChatReply, ChatRequest, Turn

REQUESTS = [ChatRequest((Turn("user", "x" * 300),), max_tokens=20 + i) for i in range(3)]


def test_an_estimate_counts_what_is_still_to_be_sent(tmp_path: Path) -> None:
    settings = LlmSettings(backend="http", model="judge", input_price=1000.0, output_price=10_000.0)
    # 300 bytes and one turn: 100 + 2 * 4 tokens.
    whole = Estimate(3, 3, 324, 63, pytest.approx(0.324 + 0.63), pytest.approx(0.477), 0.0)
    assert estimate([*REQUESTS, *REQUESTS], settings) == whole
    path = tmp_path / "replies.jsonl"
    assert estimate(REQUESTS, settings, path) == whole
    with Journal(path) as journal:
        journal.append(REQUESTS[0].key("judge"), value_of(ChatReply("a", "stop", 1, 1, 0.0), 0.0))
        rest = estimate(iter(REQUESTS), settings, path)
    assert (rest.requests, rest.to_send, rest.input_tokens, rest.output_tokens) == (3, 2, 216, 43)


def test_limits_leave_a_least_time() -> None:
    settings = LlmSettings(backend="http", model="judge", requests_per_minute=0.1, tokens_per_minute=3.87)
    assert estimate(REQUESTS, settings).hours == pytest.approx(100 / 60)  # 324 + 63 tokens
    assert estimate(REQUESTS, settings.replace(tokens_per_minute=None)).hours == pytest.approx(30 / 60)


def test_a_model_in_this_process_costs_nothing() -> None:
    settings = LlmSettings(backend="transformers", model="judge", input_price=1.0, output_price=1.0)
    assert estimate(REQUESTS, settings).dollars == 0


@pytest.mark.parametrize(
    ("span", "expected"), [("120ms", 0.12), ("6m0s", 360), ("1h2m3.5s", 3723.5), ("3", 3), ("1d", 86400)]
)
def test_spans_of_rate_limit_headers(span: str, expected: float) -> None:
    assert seconds(span) == expected


def limits(limit: int, remaining: int, reset: str) -> dict[str, str]:
    values = {"limit": limit, "remaining": remaining, "reset": reset}
    return {f"x-ratelimit-{kind}-requests": str(value) for kind, value in values.items()}


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({}, 0.0),
        (limits(100, 50, "30s"), 0.0),
        (limits(100, 6, "30s"), 0.0),
        (limits(100, 5, "30s"), 30 / 95),  # one is missing, and 95 come back in 30 s
        (limits(100, 0, "30s"), 6 * 30 / 100),
        (limits(2, 0, "30s"), 30.0),
        (limits(100, 0, "soon"), 0.0),
    ],
)
def test_a_pause_lasts_until_the_allowance_covers_one_request_more(headers: dict[str, str], pause: float) -> None:
    assert shortage(headers, "requests", in_flight=5, each=1) == pytest.approx(pause)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "3600"}, 3600),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "1", "retry-after-ms": "20"}, 0.02),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        ({"retry-after": "Wed, 21 Oct 2015"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after-ms": "x"}, None),
        ({}, None),
    ],
)
def test_waits_that_a_server_asks_for(headers: dict[str, str], wait: float | None) -> None:
    assert retry_after(headers) == wait


def test_the_limit_halves_once_a_round_and_grows_back() -> None:
    async def run() -> None:
        pace = Pace(16, "seed")
        sent = [time.monotonic()] * 8
        for moment in sent:
            pace.overloaded(moment, 0.0)
        assert pace.limit == 8  # all eight were in flight when the first was refused
        pace.overloaded(time.monotonic(), 0.0)
        assert pace.limit == 4
        for _ in range(200):
            pace.answered({}, 100.0)
        assert pace.limit == 16

    asyncio.run(run())


def test_a_pause_holds_everything_up_and_a_stop_ends_it() -> None:
    async def run() -> None:
        pace = Pace(4, "seed")
        pace.overloaded(time.monotonic(), 0.1)
        start = time.monotonic()
        assert await pace.enter()
        assert time.monotonic() - start >= 0.09
        pace.overloaded(time.monotonic(), 3600.0)
        waiting = asyncio.create_task(pace.enter())
        await asyncio.sleep(0.01)
        pace.stop()
        assert await waiting is False

    asyncio.run(run())


def test_rate_limit_headers_slow_the_client_down() -> None:
    async def run() -> None:
        pace = Pace(4, "seed")
        assert await pace.enter()
        pace.leave()
        pace.answered(limits(10, 0, "1s"), 100.0)
        start = time.monotonic()
        assert await pace.enter()
        assert time.monotonic() - start >= 0.09

    asyncio.run(run())


def test_back_off_doubles_up_to_a_minute_and_is_the_same_for_a_seed() -> None:
    one, same, other = (Pace(1, seed) for seed in ("a", "a", "b"))
    waits = [one.back_off(failures) for failures in range(40)]
    assert waits == [same.back_off(failures) for failures in range(40)]
    assert waits != [other.back_off(failures) for failures in range(40)]
    assert max(waits) <= 60
    assert min(waits[20:]) >= 30
