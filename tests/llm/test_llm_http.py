"""The HTTP backend with the real client, against servers that answer, fail and refuse."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from doubles.endpoint import endpoint
from doubles.faults import KINDS, FaultyServer, faulty
from llm_examples import keys_of, questions

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ConfigError, ValueDriftError
from valuedrift.llm.complete import ask, complete, replies
from valuedrift.llm.http_responses import BudgetError, EndpointError
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatRequest, Turn


def settings(url: str, **changes: Any) -> LlmSettings:
    return LlmSettings(backend="http", model="judge", url=url, **({"timeout": 5.0, "patience": 30.0} | changes))


def test_replies_come_in_the_order_of_the_requests(journal: Path) -> None:
    requests = questions(60)
    with faulty(FaultyServer(latency=0.01)) as server:
        found = ask([*requests, requests[0]], settings(server.url), journal)
    assert [reply.text for reply in found] == [f"echo question {i}" for i in [*range(60), 0]]
    assert found[7].top_logprobs == (("A", -0.1), ("B", -2.5), ("question", -9999.0))
    assert (found[7].finish, found[7].prompt_tokens, found[7].completion_tokens) == ("stop", 10, 10)
    assert found[7].latency >= 0.01
    assert set(server.served.values()) == {1}


def test_the_request_is_sent_as_the_endpoint_expects_it(journal: Path) -> None:
    bodies: list[dict[str, Any]] = []
    request = ChatRequest((Turn("system", "Judge."), Turn("user", "Yes? \ud800")), 5, 0.7, seed=3, top_logprobs=20)
    with endpoint(lambda body: bodies.append(body) or {"text": "Yes", "top_logprobs": [["Yes", -0.5]]}) as url:
        ask([request], settings(url), journal)
    assert bodies == [
        {
            "model": "judge",
            "messages": [{"role": "system", "content": "Judge."}, {"role": "user", "content": "Yes? ?"}],
            "max_completion_tokens": 5,
            "temperature": 0.7,
            "seed": 3,
            "logprobs": True,
            "top_logprobs": 20,
        }
    ]


def test_what_the_journal_holds_is_not_sent_again(journal: Path) -> None:
    with faulty(FaultyServer()) as server:
        complete(questions(20), settings(server.url), journal)
        complete(questions(30), settings(server.url), journal)
        assert set(server.served.values()) == {1}
        assert len(server.served) == 30
    assert next(replies(questions(30)[::-1], settings("http://x"), journal)).text == "echo question 29"


@pytest.mark.parametrize("kind", KINDS)
def test_a_temporary_fault_is_tried_again(kind: str, journal: Path) -> None:
    hangs = kind in ("time-out", "trickle")
    with faulty(FaultyServer({kind: 0.1 if hangs else 0.05}, seed=2, hang=1.0)) as server:
        count = 40 if hangs else 100
        found = ask(questions(count), settings(server.url, timeout=0.5), journal)
    assert server.seen[kind] >= 2
    assert [reply.text for reply in found] == [f"echo question {i}" for i in range(count)]
    assert len(keys_of(journal)) == len(set(keys_of(journal))) == count


def test_requests_that_can_never_be_answered_are_recorded_once(journal: Path) -> None:
    requests = [*questions(1, "too long"), *questions(1, "filter"), *questions(1, "censor"), *questions(1)]
    with faulty(FaultyServer()) as server:
        found = ask(requests, settings(server.url), journal)
        complete(requests, settings(server.url), journal)
        assert set(server.served.values()) == {1}
    assert [reply.finish for reply in found] == ["error", "content_filter", "content_filter", "stop"]
    assert "maximum context length" in found[0].text


@pytest.mark.parametrize(
    ("status", "code", "advice"),
    [
        (401, "invalid_api_key", "environment variable OPENAI_API_KEY"),
        (403, "", "environment variable OPENAI_API_KEY"),
        (404, "model_not_found", "settings 'url' and 'model'"),
        (429, "insufficient_quota", "quota is used up"),
        (400, "unsupported_value", "run it so"),
        (402, "", "run it so"),
    ],
)
def test_a_refusal_stops_the_job_at_once(status: int, code: str, advice: str, journal: Path) -> None:
    calls: Counter[str] = Counter()

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        calls["all"] += 1
        return {"status": status, "error": {"message": "I won't run it so.", "code": code}}

    with (
        endpoint(answer) as url,
        pytest.raises(EndpointError, match=f"HTTP {status}: I won't run it so.*{advice}|{advice}"),
    ):
        complete(questions(500), settings(url, concurrency=4), journal)
    assert calls["all"] <= 2 * 8 + 1  # the requests in flight, those of waiting workers, and a short one


def test_reasoning_models_need_temperature_1_and_the_error_says_so(journal: Path) -> None:
    error = {"message": "Unsupported value: 'temperature'", "param": "temperature", "code": "unsupported_value"}
    refused = pytest.raises(EndpointError, match="temperature 1 only")
    with endpoint(lambda body: {"status": 400, "error": error}) as url, refused:
        complete(questions(1), settings(url), journal)


def test_a_request_that_alone_fails_is_given_up_and_recorded(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(body: dict[str, Any]) -> dict[str, Any] | str:
        if body["messages"][0]["content"] == "question 3":
            return {"status": 500, "error": {"message": "worker died"}}
        time.sleep(0.01)
        return {"text": "fine", "top_logprobs": [["fine", -0.1]]}

    with endpoint(answer) as url:
        found = ask(questions(100), settings(url, attempts=3, concurrency=4), journal)
    assert (found[3].finish, found[3].text) == ("error", "given up after 3 attempts: HTTP 500: worker died")
    assert {reply.finish for i, reply in enumerate(found) if i != 3} == {"stop"}
    assert "1 requests given up and recorded as errors: HTTP 500: worker died" in capsys.readouterr().err


def test_a_server_that_answers_nobody_stops_the_job_and_nothing_is_recorded(journal: Path) -> None:
    stopped = pytest.raises(EndpointError, match="no log-probabilities in 2 attempts at one request")
    with endpoint(lambda body: "no log-probabilities here") as url, stopped:
        complete(questions(50), settings(url, attempts=2), journal)
    assert keys_of(journal) == []


def test_an_unreachable_server_stops_the_job_after_the_patience(journal: Path) -> None:
    with endpoint(lambda body: "never asked") as url:
        pass
    with pytest.raises(EndpointError, match=r"no reply for .*expected one within the setting 'patience', 1 s"):
        complete(questions(5), settings(url, patience=1.0), journal)


@pytest.mark.parametrize(
    ("wait", "patience", "told", "calls"),
    [("7200", 30.0, "next attempt in 7200 s", 5), ("0", 1.0, "patience", 30)],
    ids=["beyond the patience, which stops at once", "0 seconds, which is not done"],
)
def test_a_server_that_asks_to_wait(wait: str, patience: float, told: str, calls: int, journal: Path) -> None:
    stopped = pytest.raises(EndpointError, match=told)
    with faulty(FaultyServer({"429 seconds": 1.0}, retry_after=wait)) as server, stopped:
        complete(questions(5), settings(server.url, patience=patience), journal)
    assert server.seen["429 seconds"] <= calls


def test_no_more_requests_are_in_flight_than_allowed(journal: Path) -> None:
    with faulty(FaultyServer(latency=0.02)) as server:
        complete(questions(60), settings(server.url, concurrency=5), journal)
    assert server.most_in_flight == 5


def test_the_budget_stops_the_job_and_a_higher_one_continues_it(journal: Path) -> None:
    # A reply takes 10 + 10 tokens: 0.02 dollars at a dollar a thousand.
    prices = {"input_price": 1000.0, "output_price": 1000.0}
    with faulty(FaultyServer()) as server:
        with pytest.raises(BudgetError, match=r"dollars are spent.*budget of 0.3 dollars.*Raise the setting 'budget'"):
            complete(questions(30), settings(server.url, budget=0.3, **prices), journal)
        # What is in flight is reserved at its worst case, and what that leaves is used.
        assert len(keys_of(journal)) == 14
        complete(questions(30), settings(server.url, budget=0.7, **prices), journal)
    assert len(keys_of(journal)) == 30
    assert set(server.served.values()) == {1}
    with Journal.read(journal) as store:
        assert sum(value["dollars"] for _, value in store.items()) == pytest.approx(0.6)


def test_unusable_replies_are_paid_too(journal: Path) -> None:
    answers = iter([{"text": "no logprobs", "prompt_tokens": 500, "completion_tokens": 500}])
    good = {"text": "A", "top_logprobs": [["A", -0.1]], "prompt_tokens": 1000, "completion_tokens": 0}
    with endpoint(lambda body: next(answers, good)) as url:
        complete(questions(1), settings(url, input_price=1.0, output_price=1.0), journal)
    with Journal.read(journal) as store:
        assert [value["dollars"] for _, value in store.items()] == [pytest.approx(0.002)]


@pytest.mark.parametrize(
    ("key", "url", "changes"), [("budget", "http://localhost:1/v1", {"budget": 1.0}), ("url", "localhost:8000/v1", {})]
)
def test_a_budget_without_prices_and_an_address_without_a_scheme_are_refused(
    key: str, url: str, changes: dict[str, Any], journal: Path
) -> None:
    with pytest.raises(ConfigError, match=f"'{key}'"):
        complete(questions(1), settings(url, **changes), journal)


def test_an_error_of_the_requests_themselves_is_raised(journal: Path) -> None:
    def broken() -> Any:
        yield from questions(3)
        raise ValueDriftError("row 4 is broken")

    with faulty(FaultyServer()) as server, pytest.raises(ValueDriftError, match="row 4 is broken"):
        complete(broken(), settings(server.url), journal)


def test_a_proxy_in_the_environment_is_used(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with faulty(FaultyServer()) as server:
        monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
        found = ask(questions(3), settings("http://endpoint.invalid/v1"), journal)
    assert [reply.text for reply in found] == [f"echo question {i}" for i in range(3)]
