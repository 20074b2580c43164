"""The batch backend against the Files and Batches API in memory, and the batch files themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from doubles.batches import BatchServer, batches
from llm_examples import keys_of, questions

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.batch_files import read_batch_file, read_batch_outcomes, write_batch_file
from valuedrift.llm.complete import ask, complete
from valuedrift.llm.cost import input_tokens
from valuedrift.llm.http_responses import BudgetError, EndpointError
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatReply, ChatRequest, Turn
from valuedrift.llm.retry_rules import Fault


def settings(url: str, **changes: Any) -> LlmSettings:
    return LlmSettings(backend="batch", model="judge", url=url, **({"batch_poll": 0.01, "patience": 5.0} | changes))


def leftovers(journal: Path) -> list[str]:
    return [path.name for path in journal.parent.rglob("*") if path.is_file() and path != journal]


def test_replies_come_and_no_file_is_left_behind(journal: Path) -> None:
    requests = [*questions(30), *questions(1, "too long"), *questions(5)]
    with batches(BatchServer()) as server:
        found = ask(requests, settings(server.url), journal)
        ask(requests, settings(server.url), journal)
    assert [reply.text for reply in found[:30]] == [f"echo question {i}" for i in range(30)]
    assert found[0].top_logprobs == (("A", -0.1), ("B", -2.5), ("question", -9999.0))
    assert found[30].finish == "error"
    assert server.sizes[0][0] == 31
    assert len(server.made) == 1
    assert leftovers(journal) == []


def test_files_and_queue_stay_within_their_limits(journal: Path) -> None:
    requests = questions(100)
    tokens = input_tokens(requests[-1])
    limits = {"batch_requests": 12, "batch_bytes": 2500, "batch_tokens": 20 * tokens, "batches_in_flight": 3}
    with batches(BatchServer()) as server:
        complete(requests, settings(server.url, **limits), journal)
    assert len(keys_of(journal)) == 100
    assert max(lines for lines, _ in server.sizes) <= 12
    assert max(size for _, size in server.sizes) <= 2500
    assert 2 <= server.most_out <= 3
    assert set(server.answered.values()) == {1}


@pytest.mark.parametrize("ending", ["expired", "cancelled", "broken lines", "queue full", "lost"])
def test_what_a_batch_leaves_unanswered_goes_into_another(ending: str, journal: Path) -> None:
    with batches(BatchServer(endings=[ending, ending])) as server:
        complete(questions(40), settings(server.url), journal)
    assert len(set(keys_of(journal))) == len(keys_of(journal)) == 40
    assert set(server.answered.values()) == {1}
    assert len(server.made) == (1 if ending == "lost" else 3)
    assert leftovers(journal) == []


def test_after_four_batches_the_job_says_what_is_missing(journal: Path) -> None:
    with batches(BatchServer(endings=["expired"] * 9)) as server:
        with pytest.raises(EndpointError, match=r"2 requests have no reply after 4 batches.*run again"):
            complete(questions(40), settings(server.url), journal)
        assert len(keys_of(journal)) == 38
        server.endings = []
        complete(questions(40), settings(server.url), journal)
    assert len(keys_of(journal)) == 40


def test_a_request_that_alone_fails_is_recorded(journal: Path) -> None:
    with batches(BatchServer(endings=["broken lines", *["all broken"] * 8])) as server:
        found = ask(questions(20), settings(server.url), journal)
    assert sorted(reply.finish for reply in found) == ["error"] * 2 + ["stop"] * 18
    assert "given up after 4 batches: HTTP 500" in "".join(reply.text for reply in found)


@pytest.mark.parametrize("alone", [False, True])
def test_a_line_that_never_gets_a_response_is_given_up(
    alone: bool, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = BatchServer._line

    def broken(self: BatchServer, ending: str, index: int, request: dict[str, Any]) -> dict[str, Any]:
        found = line(self, ending, index, request)
        if "question 3" not in json.dumps(request):
            return found
        return found | {"response": None, "error": {"code": "bad_line", "message": "can't be read"}}

    monkeypatch.setattr(BatchServer, "_line", broken)
    with batches(BatchServer()) as server:
        found = ask(questions(8)[3:4] if alone else questions(8), settings(server.url), journal)
    odd = found.pop(0 if alone else 3)
    assert (odd.finish, odd.text) == ("error", "given up after 4 batches: no response: can't be read")
    assert all(reply.finish == "stop" for reply in found)


@pytest.mark.parametrize("others", [20, 0], ids=["among others", "alone, as after a restart"])
def test_lines_that_are_refused_are_flagged(others: int, journal: Path) -> None:
    with batches(BatchServer()) as server:
        found = ask([*questions(3, "refuse"), *questions(others)], settings(server.url), journal)
        assert len(server.made) == 1
    assert {(reply.finish, reply.text) for reply in found[:3]} == {("error", "HTTP 400: Inappropriate content.")}
    assert all(reply.finish == "stop" for reply in found[3:])


def test_a_batch_whose_lines_are_all_refused_stops_the_job(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"error": {"message": "No such field.", "code": "invalid"}}
    for place in ("doubles.batches", "doubles.faults"):
        monkeypatch.setattr(f"{place}.answer", lambda body: (400, refused))
    with batches(BatchServer()) as server, pytest.raises(EndpointError, match=r"HTTP 400: No such field\."):
        complete(questions(20), settings(server.url), journal)
    assert keys_of(journal) == []


def test_a_batch_that_the_server_refuses_stops_the_job(journal: Path) -> None:
    with batches(BatchServer(endings=["failed"])) as server, pytest.raises(EndpointError, match="model_not_found: no"):
        complete(questions(4), settings(server.url), journal)


def test_calls_that_fail_are_repeated(journal: Path) -> None:
    with batches(BatchServer(failing_calls=3)) as server:
        complete(questions(4), settings(server.url), journal)
    assert len(server.made) == 1


class Killed(BaseException):
    """Ends a job where it stands, as a kill would."""


MOMENTS = {
    "before the batch is created": "valuedrift.llm.batch_api.BatchApi.create",
    "before the id is stored": "valuedrift.llm.batch._Job._add",
    "while waiting": "valuedrift.llm.batch.time.sleep",
    "while collecting": "valuedrift.llm.batch._Job._retry",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_job_finds_its_batches_again(moment: str, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise Killed

    ending = ["broken lines"] if moment == "while collecting" else []
    with batches(BatchServer(endings=ending)) as server:
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(MOMENTS[moment], die)
            complete(questions(20), settings(server.url), journal)
        complete(questions(30), settings(server.url), journal)
    assert len(set(keys_of(journal))) == len(keys_of(journal)) == 30
    assert set(server.answered.values()) == {1}
    assert leftovers(journal) == []


def test_half_the_price_counts_and_the_budget_cuts_batches(journal: Path) -> None:
    # A request reserves 12 + 10 tokens at half a dollar a thousand, 0.011 dollars, and costs 0.01.
    prices = {"input_price": 1000.0, "output_price": 1000.0}
    with batches(BatchServer()) as server:
        with pytest.raises(BudgetError, match="Raise the setting 'budget'"):
            complete(questions(40), settings(server.url, budget=0.2, **prices), journal)
        assert len(keys_of(journal)) == 19
        complete(questions(40), settings(server.url, budget=0.5, **prices), journal)
    with Journal.read(journal) as store:
        assert sum(value["dollars"] for _, value in store.items()) == pytest.approx(0.4)


def test_batch_files_are_written_in_openai_s_format_and_read_again(tmp_path: Path) -> None:
    turns = (Turn("system", "Judge."), Turn("user", "Yes?\n"))
    request = ChatRequest(turns, 5, 0.7, seed=3, top_logprobs=20, effort="low", choices=("A", "B", "C"))
    plain = ChatRequest((Turn("user", "Grüße"),), 5)
    write_batch_file([request, plain], "judge", tmp_path / "requests.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    assert [line["custom_id"] for line in lines] == [request.key("judge"), plain.key("judge")]
    assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}
    assert lines[0]["body"]["messages"] == [
        {"role": "system", "content": "Judge."},
        {"role": "user", "content": "Yes?\n"},
    ]
    assert dict(read_batch_file(tmp_path / "requests.jsonl")) == {each.key("judge"): each for each in (request, plain)}


def test_outputs_of_every_kind_are_read(tmp_path: Path) -> None:
    body = {"choices": [{"message": {"content": "Yes"}, "finish_reason": "stop", "logprobs": None}]}
    good = {"status_code": 200, "body": body | {"usage": {"prompt_tokens": 3, "completion_tokens": 1}}}
    long = {"message": "the model's context length is only 10", "code": 400}
    lines = [
        {"custom_id": "a", "response": good, "error": None},
        {"custom_id": "b", "response": {"status_code": 500, "body": {"error": {"message": "oh"}}}, "error": None},
        {"custom_id": "c", "response": {"status_code": 400, "body": {"error": long}}, "error": None},
        {"custom_id": "d", "response": {"status_code": 400, "body": None}, "error": {"error": long}},  # as vLLM
        {"custom_id": "e", "response": {"status_code": 400, "body": None}, "error": long["message"]},
        {"custom_id": "f", "response": None, "error": {"code": "batch_expired", "message": "late"}},
        {"custom_id": "g", "response": {"status_code": 200, "body": {}}, "error": None},
        {"custom_id": "i", "response": None, "error": {"code": "bad_line", "message": "can't be read"}},
    ]
    path = tmp_path / "output.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + 'null\n{"custom_id": "h", "resp')
    found = dict(read_batch_outcomes(path))
    assert found.pop("a") == ChatReply("Yes", "stop", 3, 1, 0.0)
    faults = {key: (fault.case.repeat, fault.cause) for key, fault in found.items() if isinstance(fault, Fault)}
    refused = ("never", "HTTP 400: the model's context length is only 10")
    assert faults == {
        "b": ("attempts", "HTTP 500: oh"),
        **dict.fromkeys("cde", refused),
        "f": ("attempts", "no response: late"),
        "i": ("attempts", "no response: can't be read"),
        "g": ("attempts", "the body is not a chat completion: null"),
    }
