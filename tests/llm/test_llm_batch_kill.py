"""Kill -9 of a client of the Batch API, in every kind of call, and started again each time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from doubles.batches import BatchServer, batches
from llm_examples import kill_when, start_client

CLIENT = """
import sys
from pathlib import Path
from valuedrift.llm import batch_api
from valuedrift.llm.complete import complete
from valuedrift.llm.request import ChatRequest, Turn
from valuedrift.config.chat_models import LlmSettings

url, journal, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
batch_api._SETTLED, batch_api._LOOKS = 10.0, 100
requests = [ChatRequest((Turn("user", f"question {i} " + 5000 * "x"),), 10, top_logprobs=3) for i in range(count)]
limits = {"batch_requests": 20, "batches_in_flight": 3, "batch_poll": 0.05, "patience": 60.0}
complete(requests, LlmSettings(backend="batch", model="judge", url=url, **limits), journal)
"""
CALLS = ("upload", "create", "look", "content")


@pytest.mark.parametrize(
    ("count", "kills"), [(60, 4), pytest.param(3000, 40, marks=pytest.mark.slow)], ids=["4 kills", "40 kills"]
)
def test_every_request_is_answered_and_paid_once(count: int, kills: int, tmp_path: Path) -> None:
    journal, chance = tmp_path / "replies.jsonl", random.Random(1)
    endings = ["expired", "completed", "completed", "broken lines", "lost", *["completed"] * 5] * (kills // 10)
    with batches(BatchServer(endings=endings, slow=0.05)) as server:
        for number in range(kills):
            client = start_client(CLIENT, server.url, journal, count)
            call = CALLS[number] if number < len(CALLS) else chance.choice(CALLS)
            kill_when(another(call, server), client, chance.uniform(0, server.slow))
        assert start_client(CLIENT, server.url, journal, count).wait() == 0

    check(server, journal, count)


def test_a_batch_that_the_client_knows_nothing_of_is_found(tmp_path: Path) -> None:
    """The client dies after the server has made a batch and before it has the id; the server lists it late."""
    journal = tmp_path / "replies.jsonl"
    with batches(BatchServer(slow=0.2, unlisted=2)) as server:
        kill_when(another("create", server), start_client(CLIENT, server.url, journal, 20))
        (note,) = tmp_path.rglob("*.json")
        assert "id" not in json.loads(note.read_text())
        assert start_client(CLIENT, server.url, journal, 20).wait() == 0
    assert len(server.made) == 1
    check(server, journal, 20)


def check(server: BatchServer, journal: Path, count: int) -> None:
    """Each request has one reply in the journal, and no other was paid; nothing else lies about."""
    entries = [json.loads(line) for line in journal.read_text().splitlines()]
    assert len(entries) == len({entry["key"] for entry in entries}) == count
    assert {entry["value"]["finish"] for entry in entries} == {"stop"}
    server.end_all()
    assert len(server.answered) == server.answered.total() == count
    assert [path.name for path in journal.parent.iterdir()] == [journal.name]


def another(call: str, server: BatchServer) -> Callable[[], bool]:
    """Whether another call of this kind has come."""
    before = server.calls.count(call)
    return lambda: server.calls.count(call) > before
