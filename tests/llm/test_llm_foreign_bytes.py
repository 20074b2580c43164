"""Whatever bytes a server sends, a job ends with replies or with an error that says what was found."""

from __future__ import annotations

import itertools
import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles.bodies import bodies
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from llm_examples import keys_of, questions

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ValueDriftError
from valuedrift.llm.complete import ask

GOOD = b'{"choices": [{"message": {"content": "A"}, "finish_reason": "stop", "logprobs": {"content": [{"token": "A", '
GOOD += b'"top_logprobs": [{"token": "A", "logprob": -0.1}]}]}}]}'


class RawServer:
    """Answers each connection with the next bytes of `script`, over and over, and closes it."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        self.script: Iterator[bytes] = itertools.repeat(b"")
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(1)
                try:
                    connection.recv(100_000)
                    connection.sendall(next(self.script))
                except OSError:
                    pass


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.listener.close()


def response(status: int, headers: list[tuple[str, str]], body: bytes, length: int | None) -> bytes:
    lines = [f"HTTP/1.1 {status} Any", *(f"{name}: {value}" for name, value in headers)]
    if length is not None:
        lines.append(f"Content-Length: {max(0, len(body) + length)}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("utf-8", "replace") + body


HEADERS = st.sampled_from(
    [
        ("Content-Type", "application/json"),
        ("Content-Type", "text/html; charset=utf-7"),
        ("Content-Type", "text/event-stream"),
        ("Content-Encoding", "gzip"),
        ("Content-Encoding", "br"),
        ("Transfer-Encoding", "chunked"),
        ("Retry-After", "0"),
        ("Retry-After", "-1"),
        ("Retry-After", "never"),
        ("Retry-After", "Thu, 32 Foo 2026 00:00:00 GMT"),
        ("Retry-After-Ms", "nan"),
        ("Retry-After-Ms", "inf"),
        ("x-ratelimit-limit-requests", "0"),
        ("x-ratelimit-remaining-requests", "-3"),
        ("x-ratelimit-reset-requests", "1e999"),
        ("x-ratelimit-limit-tokens", "nan"),
        ("Location", "http://[::1"),
        ("Set-Cookie", "\x7f=;"),
    ]
)
RESPONSES = st.one_of(
    st.builds(
        response,
        st.sampled_from(
            [200, 200, 200, 201, 204, 301, 307, 304, 400, 401, 403, 404, 413, 422, 429, 500, 503, 529, 600]
        ),
        st.lists(HEADERS, max_size=4),
        bodies() | st.binary(max_size=40),
        st.sampled_from([0, 0, 0, 0, -3, 5, None]),
    ),
    st.just(response(200, [], GOOD, 0)),
    st.binary(max_size=60),
)


@settings(
    max_examples=settings.default.max_examples // 4,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(RESPONSES, min_size=1, max_size=5))
@example([b"\x00"])  # a port where no HTTP is spoken
@example([response(200, [("Set-Cookie", "\x7f=;")], b"", 0)])  # the client can't send it back
@example([response(429, [("Retry-After-Ms", "nan")], b"", 0)])
@example([response(200, [("x-ratelimit-limit-requests", "nan")], GOOD, 0)])
def test_any_responses_end_in_replies_or_a_sentence(server: RawServer, script: list[bytes]) -> None:
    server.script = itertools.cycle(script)
    llm = LlmSettings(backend="http", model="m", url=server.url, attempts=2, concurrency=2, patience=0.2, timeout=0.5)
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "replies.jsonl"
        try:
            found = ask(questions(3), llm, journal)
        except ValueDriftError as error:
            assert str(error).startswith(server.url)
        else:
            assert {reply.finish for reply in found} <= {"stop", "length", "content_filter", "error"}
            assert len(keys_of(journal)) == 3
            assert all(json.loads(line) for line in journal.read_text().splitlines())
