"""Kill -9 of a client under all faults at once, at random moments, and started again each time in another order."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from doubles.faults import KINDS, FaultyServer, faulty
from llm_examples import kill_when, start_client

CLIENT = """
import random, sys
from pathlib import Path
from valuedrift.llm.complete import complete
from valuedrift.llm.request import ChatRequest, Turn
from valuedrift.config.chat_models import LlmSettings

url, journal, count, order = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
numbers = list(range(count))
random.Random(order).shuffle(numbers)
text = lambda i: f"{('too long', 'filter', 'censor')[i % 3]} {i}" if i % 100 < 3 else f"question {i}"
requests = (ChatRequest((Turn("user", text(i)),), 10, top_logprobs=3) for i in numbers + numbers[:50])
complete(requests, LlmSettings(backend="http", model="judge", url=url, timeout=2.0, patience=120.0), journal)
"""
CONCURRENCY = 32
# Those that hold up the whole client, as they should, are rarer than those that hold up one request.
RARE = {"429": 0.001, "429 date": 0.0001, "503": 0.001, "time-out": 0.0005, "trickle": 0.0005}


@pytest.mark.parametrize(
    ("count", "kills", "scale"),
    [(400, 2, 4.0), pytest.param(100_000, 12, 1.0, marks=pytest.mark.slow)],
    ids=["400 requests", "100,000 requests"],
)
def test_nothing_is_lost_and_nothing_is_there_twice(count: int, kills: int, scale: float, tmp_path: Path) -> None:
    journal, moments = tmp_path / "replies.jsonl", random.Random(1)
    faults = {kind: scale * RARE.get(kind, 0.004) for kind in KINDS}
    with faulty(FaultyServer(faults, seed=3, hang=3.0)) as server:
        for start in range(kills):
            client = start_client(CLIENT, server.url, journal, count, start)
            enough = lines(journal) + moments.randrange(count // (2 * kills))
            kill_when(lambda enough=enough: lines(journal) > enough, client)
        assert start_client(CLIENT, server.url, journal, count, kills).wait() == 0

    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    assert len(entries) == len({entry["key"] for entry in entries}) == count
    finishes = [entry["value"]["finish"] for entry in entries]
    odd = [i for i in range(count) if i % 100 < 3]
    assert finishes.count("error") == sum(i % 3 == 0 for i in odd)
    assert finishes.count("content_filter") == sum(i % 3 != 0 for i in odd)
    assert {entry["value"]["text"] for entry in entries if entry["value"]["finish"] == "stop"} == {
        f"echo question {i}" for i in range(count) if i not in set(odd)
    }
    again = sum(times - 1 for times in server.served.values())
    assert again <= kills * CONCURRENCY  # what was in flight when the client died
    if count > 10_000:
        assert set(server.seen) == set(KINDS)


def lines(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0
