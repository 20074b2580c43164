"""What a response means: each row of the table, against a real server, with and without other requests answered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from doubles.bodies import bodies
from doubles.endpoint import raw_endpoint
from hypothesis import example, given
from hypothesis import strategies as st
from llm_examples import keys_of, questions

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.alternatives import total
from valuedrift.llm.complete import ask, complete
from valuedrift.llm.http_responses import EndpointError, Response
from valuedrift.llm.request import ChatReply, ChatRequest, Turn
from valuedrift.llm.retry_rules import CASES, Case, Fault, classify

PAGE = Path(__file__).resolve().parents[2] / "docs" / "endpoints.md"
GOOD = {
    "choices": [
        {
            "message": {"content": "A"},
            "finish_reason": "stop",
            "logprobs": {"content": [{"token": "A", "top_logprobs": [{"token": "A", "logprob": -0.1}]}]},
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 1},
}


def settings(url: str, **changes: Any) -> LlmSettings:
    given = {"timeout": 5.0, "patience": 0.5, "attempts": 2, "concurrency": 4}
    return LlmSettings(backend="http", model="judge", url=url, **(given | changes))


def examples(case: Case) -> list[tuple[int, str]]:
    """A status and a code of each that the row names, as a server may send them; 200 with the status in the body."""
    statuses = [int(span.partition("-")[0]) for span in case.statuses.split(", ") if span]
    sent = [status for status in statuses if status >= 300]
    in_body = [(200, str(status)) for status in sent if status >= 400]
    return [*((status, "") for status in sent), *in_body, *((400, code) for code in case.codes)]


EXAMPLES = [pytest.param(case, *one, id=f"{one[0]} {one[1]}") for case in CASES for one in examples(case)]


def fault(status: int, code: str) -> tuple[int, str]:
    return status, json.dumps({"error": {"message": "My own words.", "code": code}})


@pytest.mark.parametrize(("case", "status", "code"), EXAMPLES)
def test_one_request_among_others_that_are_answered(case: Case, status: int, code: str, journal: Path) -> None:
    times = iter(range(2))

    def answer(body: dict[str, Any]) -> tuple[int, str]:
        if body["messages"][0]["content"] != "question 3":
            return 200, json.dumps(GOOD)
        if case.repeat == "patience" and next(times, None) is None:
            return 200, json.dumps(GOOD)
        return fault(status, code)

    with raw_endpoint(answer) as url:
        if case.others == "stop" and case.repeat == "never":
            with pytest.raises(EndpointError, match=r"My own words\."):
                complete(questions(20), settings(url), journal)
            return
        found = ask(questions(20), settings(url), journal)
    finishes = {reply.finish for i, reply in enumerate(found) if i != 3}
    assert finishes == {"stop"}
    assert found[3].finish == ("stop" if case.repeat == "patience" else case.others)
    assert found[3].text == "A" or "My own words." in found[3].text


@pytest.mark.parametrize(("case", "status", "code"), EXAMPLES)
def test_all_requests(case: Case, status: int, code: str, journal: Path) -> None:
    with raw_endpoint(lambda body: fault(status, code)) as url:
        if case.nobody == "stop":
            with pytest.raises(EndpointError, match=r"My own words\."):
                complete(questions(5), settings(url), journal)
            assert keys_of(journal) == []
        else:
            found = ask(questions(5), settings(url), journal)
            assert {reply.finish for reply in found} == {case.nobody}


def test_the_page_shows_the_table() -> None:
    shown = {"content_filter": "flagged `content_filter`", "error": "flagged `error`", "stop": "the job stops"}
    repeats = {"never": "no", "attempts": "up to `attempts` times", "patience": "until `patience` is over"}
    page = PAGE.read_text()
    rows = [
        f"| {case.meaning} | {case.statuses or '—'} | {', '.join(f'`{code}`' for code in case.codes) or '—'} | "
        f"{repeats[case.repeat]} | {shown[case.others]} | {shown[case.nobody]} |"
        for case in CASES
    ]
    assert "\n".join(rows) in page


def test_a_refused_request_that_is_left_alone_is_flagged_if_a_short_one_is_answered(journal: Path) -> None:
    """As after a restart, when all others are in the journal."""

    def answer(body: dict[str, Any]) -> tuple[int, str]:
        if "question" in body["messages"][0]["content"]:
            return 400, json.dumps({"error": {"code": "data_inspection_failed", "message": "inappropriate content"}})
        return 200, json.dumps(GOOD)

    with raw_endpoint(answer) as url:
        (found,) = ask(questions(1), settings(url), journal)
    assert (found.finish, found.text) == ("error", "HTTP 400: inappropriate content")


def test_a_request_that_comes_twice_is_decided_once(journal: Path) -> None:
    turn = iter(range(100))

    def answer(body: dict[str, Any]) -> tuple[int, str]:
        refused = body["messages"][0]["content"] == "question 0" and next(turn) == 0
        return (400, '{"error": "no"}') if refused else (200, json.dumps(GOOD))

    first, *rest = questions(9)
    with raw_endpoint(answer) as url:
        found = ask([first, first, first, *rest, first], settings(url, concurrency=1), journal)
    assert {reply.finish for reply in found[4:-1]} == {"stop"}
    assert len({(reply.finish, reply.text) for reply in [*found[:3], found[-1]]}) == 1


def test_many_refused_requests_do_not_wait_for_the_end(journal: Path) -> None:
    asked = []

    def answer(body: dict[str, Any]) -> tuple[int, str]:
        asked.append(body)
        return 403, json.dumps({"error": {"message": "no"}})

    with raw_endpoint(answer) as url, pytest.raises(EndpointError, match="HTTP 403: no"):
        complete(questions(300), settings(url), journal)
    assert len(asked) < 20


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (422, '{"detail": [{"loc": ["body", "messages"], "msg": "too many"}]}', "too many"),
        (422, '{"detail": [{"loc": ["body", "a"], "msg": "one"}, {"loc": ["body", "b"], "msg": "two"}]}', "two"),
        (400, '{"detail": "Invalid value"}', "Invalid value"),
        (400, '[{"error": {"code": 400, "message": "from a list", "status": "INVALID_ARGUMENT"}}]', "from a list"),
        (400, '{"error": "just a text"}', "just a text"),
        (400, '{"object": "error", "message": "older", "code": 40001}', "older"),
        (400, '{"errors": ["this", "and that"]}', "and that"),
        (400, '{"error": {"message": "Provider error", "metadata": {"raw": "the real cause"}}}', "the real cause"),
        (400, '{"ok": false, "why": "unheard of"}', "unheard of"),
        (500, "<html><head><style>p {}</style><title>Bad</title></head><body>the gateway</body></html>", "the gateway"),
        (200, "<html><body>please log in</body></html>", "please log in"),
        (200, '{"error": {"message": "engine died"}}', "engine died"),
        (200, '{"detail": "not ready"}', "not ready"),
        (200, '[{"error": {"message": "a list"}}]', "a list"),
        (200, '{"choices": [{"finish_reason": "error", "error": {"code": 502, "message": "upstream"}}]}', "upstream"),
        (200, 'data: {"error": {"message": "in a stream"}}\n\ndata: [DONE]\n', "in a stream"),
        (200, '{"choices": [{"message": {"content": ""}, "finish_reason": "weird"}]}', "weird"),
        (200, '{"id": "x", "output": "another interface"}', "another interface"),
        (200, "", "an empty body"),
        (200, "null", "null"),
    ],
)
def test_the_servers_words_reach_the_message(status: int, body: str, words: str, journal: Path) -> None:
    with raw_endpoint(lambda asked: (status, body)) as url, pytest.raises(EndpointError, match=words):
        complete(questions(1), settings(url), journal)


def chat(**changes: Any) -> bytes:
    return json.dumps(GOOD | {"choices": [GOOD["choices"][0] | changes]}).encode()  # type: ignore[index]


REQUEST = ChatRequest((Turn("user", "Hello"),), max_tokens=5, top_logprobs=3)


@pytest.mark.parametrize("finish", ["eos_token", "", None, "tool_calls", "end_turn", 3])
def test_an_unknown_finish_reason_with_an_answer_is_accepted(finish: Any) -> None:
    found = classify(Response(200, {}, chat(finish_reason=finish), 0.0, 0.0), REQUEST)
    assert isinstance(found, ChatReply)
    assert (found.text, found.finish) == ("A", "stop")


def test_an_answer_of_full_length_without_a_finish_reason_was_cut() -> None:
    body = json.loads(chat(finish_reason=None)) | {"usage": {"completion_tokens": 5}}
    found = classify(Response(200, {}, json.dumps(body).encode(), 0.0, 0.0), REQUEST)
    assert isinstance(found, ChatReply) and found.finish == "length"


def test_a_stream_of_events_is_put_together() -> None:
    logprobs = {"content": [{"token": "A", "top_logprobs": [{"token": "A", "logprob": -0.1}]}]}
    events = [
        {"model": "m", "choices": [{"delta": {"role": "assistant", "content": ""}}]},
        {"choices": [{"delta": {"content": "A"}, "logprobs": logprobs}]},
        {"choices": [{"delta": {"content": "B"}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}, "model": "m"},
    ]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    found = classify(Response(200, {}, body.encode(), 0.0, 0.0), REQUEST)
    assert found == ChatReply("AB", "stop", 3, 2, 0.0, (("A", -0.1),), "m")


def test_an_error_within_a_completion_keeps_its_tokens() -> None:
    body = json.loads(chat(error={"message": "upstream died", "code": 502}))
    found = classify(Response(200, {}, json.dumps(body).encode("utf-8-sig"), 0.0, 0.0), REQUEST)
    assert isinstance(found, Fault)
    assert (found.cause, found.case.repeat, found.prompt_tokens) == ("HTTP 200: upstream died", "patience", 9)


def test_text_in_parts_and_log_probabilities_in_the_older_format_are_read() -> None:
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "A"}, "B"]
    older = {"tokens": ["A"], "token_logprobs": [-0.1], "top_logprobs": [{"A": -0.1, "B": -3.0}]}
    found = classify(Response(200, {}, chat(message={"content": parts}, logprobs=older), 0.0, 0.0), REQUEST)
    assert isinstance(found, ChatReply)
    assert (found.text, found.top_logprobs) == ("AB", (("A", -0.1), ("B", -3.0)))


@pytest.mark.parametrize("content", [5, True, 0.5])
def test_an_answer_that_is_no_text_is_a_failed_attempt(content: Any) -> None:
    found = classify(Response(200, {}, chat(message={"content": content}), 0.0, 0.0), REQUEST)
    assert isinstance(found, Fault)


@pytest.mark.parametrize("logprobs", [None, {"content": None}, {"content": [{"token": "A", "top_logprobs": None}]}])
def test_missing_log_probabilities_are_said_and_samples_named(logprobs: Any, journal: Path) -> None:
    stopped = pytest.raises(EndpointError, match=r"no log-probabilities.*`samples`")
    with raw_endpoint(lambda body: (200, chat(logprobs=logprobs).decode())) as url, stopped:
        complete(questions(1), settings(url), journal)


def test_a_list_that_is_no_distribution_is_a_failed_attempt() -> None:
    top = [{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": -0.1}]
    body = chat(logprobs={"content": [{"token": "A", "top_logprobs": top}]})
    found = classify(Response(200, {}, body, 0.0, 0.0), REQUEST)
    assert isinstance(found, Fault)
    assert found.cause == "the log-probabilities are no distribution: the probabilities of its tokens sum to 1.81"
    assert found.prompt_tokens == 9


@pytest.mark.parametrize(
    ("refusal", "asked"),
    [
        ({"error": {"message": "Unrecognized request argument: max_completion_tokens"}}, {"max_tokens": 10}),
        ({"detail": [{"loc": ["body", "max_completion_tokens"], "msg": "extra"}]}, {"max_tokens": 10}),
        ({"error": {"message": "Invalid value for 'top_logprobs': must be <= 5"}}, {"top_logprobs": 5}),
        ({"message": "Requested sample logprobs of 20, which is greater than max allowed: 5"}, {"top_logprobs": 5}),
        ({"error": "`top_n_tokens` must be <= 5"}, {"top_logprobs": 5}),
        ([{"error": {"message": 'Unknown name "seed": Cannot find field.'}}], {"seed": None}),
    ],
)
def test_what_a_server_objects_to_is_left_out(refusal: Any, asked: dict[str, Any], journal: Path) -> None:
    bodies: list[dict[str, Any]] = []

    def answer(body: dict[str, Any]) -> tuple[int, str]:
        bodies.append(body)
        fits = all(body.get(name) == value for name, value in asked.items())
        return (200, json.dumps(GOOD)) if fits else (400, json.dumps(refusal))

    requests = [ChatRequest((Turn("user", f"{i}"),), 10, seed=i, top_logprobs=20) for i in range(12)]
    with raw_endpoint(answer) as url:
        found = ask(requests, settings(url), journal)
    assert {reply.finish for reply in found} == {"stop"}
    assert len(bodies) <= 12 + 3 * 8  # what was sent before the first refusals came


def test_one_request_whose_refusal_names_a_field_changes_no_other(journal: Path) -> None:
    bodies: list[dict[str, Any]] = []

    def answer(body: dict[str, Any]) -> tuple[int, str]:
        bodies.append(body)
        if body["messages"][0]["content"] == "question 2":
            return 400, json.dumps(
                {"error": "'max_tokens' or 'max_completion_tokens' is too large: the prompt is long"}
            )
        return 200, json.dumps(GOOD)

    with raw_endpoint(answer) as url:
        found = ask(questions(20), settings(url), journal)
    assert [i for i, reply in enumerate(found) if reply.finish == "error"] == [2]
    assert sum("max_tokens" in body for body in bodies) == 1


def test_a_version_in_the_address_stays_a_parameter_and_a_whole_route_is_shortened(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    seen: list[tuple[str, str | None]] = []

    def answer(body: dict[str, Any], path: str, key: str | None) -> tuple[int, str]:
        seen.append((path, key))
        return 200, json.dumps(GOOD)

    with raw_endpoint(answer, with_path=True) as url:
        given = url.removesuffix("/v1") + "/openai/deployments/x/chat/completions?api-version=2024-10-21"
        ask(questions(1), settings(given), journal)
        ask(questions(1, "other"), settings(url + "/"), journal)
    assert seen == [
        ("/openai/deployments/x/chat/completions?api-version=2024-10-21", "a-key"),
        ("/v1/chat/completions", None),
    ]


@pytest.mark.parametrize("status", [301, 302, 303])
def test_an_address_that_has_moved_is_named(status: int, journal: Path) -> None:
    def answer(body: dict[str, Any]) -> tuple[int, str]:
        return status, "https://elsewhere.invalid/v1"

    with raw_endpoint(answer) as url, pytest.raises(EndpointError, match=r"elsewhere\.invalid/v1.*setting 'url'"):
        complete(questions(1), settings(url), journal)


def told(replies: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], journal: Path) -> str:
    """What the job prints about an endpoint that answers with these changes of a good body, in turn."""
    turn = iter(replies)
    requests = [ChatRequest((Turn("user", "long " * (i + 1) * 9),), 4) for i in range(len(replies))]
    with raw_endpoint(lambda body: (200, json.dumps(GOOD | next(turn)))) as url:
        ask(requests, settings(url, concurrency=1), journal)
    return capsys.readouterr().err


def usage(prompt: int, completion: int = 1) -> dict[str, Any]:
    return {"usage": {"prompt_tokens": prompt, "completion_tokens": completion}}


@pytest.mark.parametrize(
    ("replies", "line"),
    [
        ([{"model": "other-7b"}, {"model": "judge"}], "1 replies say that the model 'other-7b' wrote them"),
        ([{"model": "judge-mini"}], "1 replies say that the model 'judge-mini' wrote them"),
        ([usage(9), usage(9, 300)], r"1 replies are longer than asked \(up to 300 tokens instead of 4\)"),
        ([usage(64)] * 12, "12 prompts of different length have 64 tokens"),
        ([usage(20), usage(64), usage(64), usage(64)], "3 prompts of different length have 64 tokens.*num_ctx"),
    ],
)
def test_what_the_endpoint_does_otherwise_than_asked_is_told(
    replies: list[dict[str, Any]], line: str, capsys: pytest.CaptureFixture[str], journal: Path
) -> None:
    assert re.search(line, told(replies, capsys, journal))


def test_an_endpoint_that_does_as_asked_is_not_blamed(capsys: pytest.CaptureFixture[str], journal: Path) -> None:
    names = ["judge", "owner/judge", "judge:latest", "judge-2024-08-06", "Judge"]
    shown = told([{"model": name} | usage(20 + i) for i, name in enumerate(names)], capsys, journal)
    assert [line for line in shown.splitlines() if "replies, " not in line] == []


@given(st.one_of(bodies(), st.binary(max_size=60)), st.sampled_from([200, 200, 200, 204, 301, 400, 429, 500, 999, 100]))
@example(b'{"choices": [{"message": {"content": "A"}, "logprobs": {"content": [{"top_logprobs": 3}]}}]}', 200)
def test_any_body_is_a_reply_or_a_fault_with_words(content: bytes, status: int) -> None:
    found = classify(Response(status, {}, content, 0.0, 0.0), REQUEST)
    if isinstance(found, ChatReply):
        assert status < 300
        assert found.finish in ("stop", "length", "content_filter")
        assert total(found.top_logprobs) <= 1.001
        json.dumps(vars(found), allow_nan=False)  # a journal can hold it
        assert 0 <= found.prompt_tokens < 2**31
    else:
        assert found.cause
        assert found.case in CASES
