"""A key comes from the environment, goes into the Authorization header, and nowhere else."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import traceback
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from doubles.batches import BatchServer, batches
from doubles.endpoint import endpoint
from doubles.faults import FaultyServer, faulty

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ConfigError, ValueDriftError
from valuedrift.llm.api_key import Redaction
from valuedrift.llm.client import Client
from valuedrift.llm.complete import complete
from valuedrift.llm.pace import Pace
from valuedrift.llm.request import ChatRequest, Turn

KEY = "sk-planted/0123456789+abc"
REQUESTS = [ChatRequest((Turn("user", f"question {i}"),), 10, top_logprobs=3) for i in range(40)]


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_KEY", KEY)


def settings(url: str, **changes: Any) -> LlmSettings:
    return LlmSettings(
        backend="http", model="judge", url=url, key_variable="PLANTED_KEY", timeout=2.0, patience=5.0, **changes
    )


def everything_shown(error: BaseException | None) -> str:
    """Messages, representations and attributes of an error and of all that it was raised from or during."""
    parts = []
    while error is not None:
        parts += [repr(error), repr(vars(error)), *traceback.format_exception(error)]
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


def assert_hidden(text: str) -> None:
    for form in (KEY, quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode(), KEY[5:]):
        assert form not in text


def test_the_key_is_sent_and_stays_out_of_the_journal_and_the_output(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    # Faults of every kind whose bodies quote the Authorization header.
    kinds = dict.fromkeys(["429 seconds", "500", "503", "malformed", "no logprobs", "truncated body"], 0.08)
    with faulty(FaultyServer(kinds, key=KEY)) as server:
        complete(REQUESTS, settings(server.url), tmp_path / "replies.jsonl")
        assert len(server.served) == len(REQUESTS)
    assert all(server.seen[kind] for kind in kinds)
    files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert_hidden("\n".join([*files, caplog.text, *capfd.readouterr()]))


@pytest.mark.parametrize("backend", ["http", "batch"])
def test_a_refused_key_stops_at_once_and_is_not_quoted(tmp_path: Path, backend: str) -> None:
    with batches(BatchServer(key="another")) as server:
        used = LlmSettings(backend=backend, model="judge", url=server.url, key_variable="PLANTED_KEY", patience=5.0)
        with pytest.raises(ValueDriftError, match=r"HTTP 401.*variable PLANTED_KEY") as caught:
            complete(REQUESTS, used, tmp_path / "replies.jsonl")
    assert_hidden(everything_shown(caught.value))


@pytest.mark.parametrize("kind", ["500", "429", "malformed"])
def test_an_error_after_faults_that_quote_the_key_hides_it(tmp_path: Path, kind: str) -> None:
    with faulty(FaultyServer({kind: 1.0}, key=KEY)) as server, pytest.raises(ValueDriftError) as caught:
        complete(REQUESTS[:3], settings(server.url, attempts=2).replace(patience=1.0), tmp_path / "replies.jsonl")
    assert_hidden(everything_shown(caught.value))


def test_a_reply_that_quotes_the_key_is_journalled_without_it(tmp_path: Path) -> None:
    with endpoint(lambda body: {"text": f"your key is {KEY}", "top_logprobs": [[KEY, -0.1]]}) as url:
        complete(REQUESTS[:1], settings(url), tmp_path / "replies.jsonl")
    value = json.loads((tmp_path / "replies.jsonl").read_text())["value"]
    assert value["text"] == "your key is [key]"
    assert_hidden(json.dumps(value))


def test_nothing_that_holds_the_key_shows_it() -> None:
    async def shown() -> str:
        async with aclosing(Client(settings("http://localhost:1/v1"), Pace(1, "seed"))) as client:
            return repr(vars(client))

    assert_hidden(asyncio.run(shown()))


@pytest.mark.parametrize("form", [KEY, quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode()])
def test_every_form_of_the_key_is_redacted(form: str) -> None:
    assert Redaction(KEY)(f"before {form} after".encode()) == b"before [key] after"


def test_parts_of_a_key_that_a_server_shows_are_redacted_in_errors() -> None:
    assert Redaction(KEY).error(b"Incorrect API key: sk-plan****cabc.") == b"Incorrect API key: [key]"


def test_a_key_in_place_of_the_variables_name_is_not_shown() -> None:
    with pytest.raises(ConfigError, match=r"'key_variable': found '\(not shown\)'") as caught:
        LlmSettings.read({"backend": "http", "model": "judge", "key_variable": KEY})
    assert_hidden(everything_shown(caught.value))


@pytest.mark.parametrize("value", ["sk-planted\nInjected: header", "sk-plantéd"])
def test_a_value_that_is_no_key_is_not_shown(tmp_path: Path, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_KEY", value)
    with pytest.raises(ConfigError, match="PLANTED_KEY") as caught:
        complete(REQUESTS, settings("http://localhost:1/v1"), tmp_path / "replies.jsonl")
    assert "sk-plant" not in everything_shown(caught.value)
