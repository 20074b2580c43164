"""The calls of OpenAI's Batch API, each repeated until it succeeds or the setting `patience` is exceeded."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx2
from openai import APIError, APIStatusError, OpenAI

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.api_key import Redaction, read_key
from valuedrift.llm.batch_files import ROUTE
from valuedrift.llm.chat_format import body_of
from valuedrift.llm.client import address
from valuedrift.llm.http_responses import EndpointError, Response, endpoint_name, stop_error
from valuedrift.llm.request import ChatReply, ChatRequest
from valuedrift.llm.retry_rules import Fault, classify

_TAG = "valuedrift"
_SHORTEST_UPLOAD_TIMEOUT = 600.0
_DAY = 86400.0
_SETTLED, _LOOKS = 60.0, 12
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0
T = TypeVar("T")


@dataclass(frozen=True)
class BatchState:
    """The state of a batch at the server.

    Attributes:
        status: The server's word for it.
        files: Ids of the output and error files.
        errors: (code, message) of the errors that concern the whole batch.
    """

    status: str
    files: list[str]
    errors: list[tuple[str, str]]


class BatchApi:
    """Calls of the Batch API. They raise EndpointError if the server refuses, or none succeeds within `patience` s."""

    def __init__(self, settings: LlmSettings) -> None:
        key = read_key(settings.key_variable)
        self.settings, self.redact = settings, Redaction(key)
        timeout = max(settings.timeout, _SHORTEST_UPLOAD_TIMEOUT)
        self._client = OpenAI(**address(settings, key), timeout=timeout, max_retries=0)

    def close(self) -> None:
        self._client.close()

    def upload(self, requests: Path) -> str:
        """Send a file of requests and return the server's id for it."""
        return self._call(lambda: self._client.files.create(file=requests, purpose="batch")).id

    def create(self, file_id: str, note: Path) -> str:
        """Create the batch of an uploaded file, exactly once, and return its id. Its name is the note's name."""

        def create() -> str:
            note.touch()
            batch = self._client.batches.create(
                input_file_id=file_id, endpoint=ROUTE, completion_window="24h", metadata={_TAG: note.stem}
            )
            return batch.id

        # A failed call may still have created the batch: look for it before the next call.
        return self._call(create, recover=lambda: self.find(note))

    def find(self, note: Path) -> str | None:
        """Return the id of the batch that has the name of this note; None if there is none.

        The note's modification time is the time of the last call to create the batch. The server may create and list
        the batch some time after that call, even if the caller was killed, so the search is repeated until a minute
        after it.
        """
        asked_at = note.stat().st_mtime
        end = time.monotonic() + min(_SETTLED, asked_at + _SETTLED - time.time())
        while (found := self._call(lambda: self._listed(note.stem, asked_at))) is None and time.monotonic() < end:
            time.sleep(_SETTLED / _LOOKS)
        return found

    def _listed(self, name: str, asked_at: float) -> str | None:
        for batch in self._client.batches.list(limit=100):  # newest first
            if (batch.metadata or {}).get(_TAG) == name:
                return batch.id
            if batch.created_at < asked_at - _DAY:
                break
        return None

    def state(self, batch_id: str) -> BatchState:
        batch = self._call(lambda: self._client.batches.retrieve(batch_id))
        files = [file for file in (batch.output_file_id, batch.error_file_id) if file]
        listed = batch.errors.data if batch.errors and batch.errors.data else []
        errors = [(each.code or "", self._clean(each.message or "")) for each in listed]
        return BatchState(batch.status, files, errors)

    def download(self, file_id: str, path: Path) -> None:
        def load() -> None:
            with self._client.files.with_streaming_response.content(file_id) as answer, path.open("wb") as file:
                for chunk in answer.iter_bytes():
                    file.write(chunk)

        self._call(load)

    def is_answered(self, request: ChatRequest) -> bool:
        """Whether this request gets a reply outside of a batch."""

        def send() -> Response:
            raw = self._client.chat.completions.with_raw_response.create(**body_of(request, self.settings.model))
            return Response(raw.status_code, raw.headers, self.redact(raw.content), 0.0, 0.0)

        try:
            return isinstance(classify(self._call(send), request), ChatReply)
        except EndpointError:
            return False

    def _call(self, action: Callable[[], T], recover: Callable[[], T | None] = lambda: None) -> T:
        """Repeat `action` until it succeeds, or `recover` returns a value after a failure, and return the result."""
        start, failures = time.monotonic(), 0
        while True:
            try:
                return action()
            except (APIError, httpx2.HTTPError) as error:
                response = self._response(error)
            self._wait_after(response, failures, start)
            failures += 1
            if (found := recover()) is not None:
                return found

    def _wait_after(self, response: Response, failures: int, start: float) -> None:
        """Wait before repeating a failed call, or raise EndpointError.

        It is raised here, outside of the handler: an exception of the client contains the request, and so the key.
        """
        outcome = classify(response)
        assert isinstance(outcome, Fault)
        if outcome.case.repeat == "never":
            raise stop_error(outcome, self.settings)
        asked = outcome.wait
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures, 20)) if asked is None else asked
        if time.monotonic() - start + pause > self.settings.patience:
            raise EndpointError(
                f"{endpoint_name(self.settings)}: found {outcome.cause} at every call of the Batch API; expected a "
                f"response within the setting 'patience', {self.settings.patience:g} s. Run again to continue."
            )
        time.sleep(pause)

    def _response(self, error: Exception) -> Response:
        if isinstance(error, APIStatusError):
            raw = error.response
            return Response(raw.status_code, raw.headers, self.redact(raw.content), 0.0, 0.0)
        return Response(0, {}, b"", 0.0, 0.0, f"the connection failed ({type(error).__name__})", unreachable=True)

    def _clean(self, text: str) -> str:
        return self.redact.error(text.encode("utf-8", "replace")).decode("utf-8", "replace")
