"""OpenAI's batch format, one JSON object per line, which the Batch API and `vllm run-batch` read and write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from valuedrift.files import publish
from valuedrift.llm.chat_format import body_of, request_of
from valuedrift.llm.http_responses import Response, read_error
from valuedrift.llm.request import ChatRequest
from valuedrift.llm.retry_rules import FAILED, Fault, Outcome, classify

ROUTE: Final = "/v1/chat/completions"


def batch_line(request: ChatRequest, model: str) -> bytes:
    """Return one request as a line. Its `custom_id` is the request's key."""
    line = {"custom_id": request.key(model), "method": "POST", "url": ROUTE, "body": body_of(request, model)}
    return json.dumps(line).encode("ascii") + b"\n"


def write_batch_file(requests: Iterable[ChatRequest], model: str, path: Path) -> None:
    """Write the requests in OpenAI's batch format."""
    with publish(path) as draft, draft.open("wb") as file:
        file.writelines(batch_line(request, model) for request in requests)


def read_batch_file(path: Path) -> Iterator[tuple[str, ChatRequest]]:
    """Yield the keys and requests in a file of `write_batch_file`."""
    with path.open("rb") as file:
        for line in file:
            entry = json.loads(line)
            yield entry["custom_id"], request_of(entry["body"])


def read_batch_outcomes(path: Path, clean: Callable[[bytes], bytes] = bytes) -> Iterator[tuple[str, Outcome]]:
    """Yield (key, outcome) of every line of OpenAI's output and error files, or of an output of `vllm run-batch`.

    `clean` is applied to every line before it is parsed.
    """
    with path.open("rb") as file:
        for line in file:
            entry = _object(clean(line))
            if isinstance(entry.get("custom_id"), str):
                yield entry["custom_id"], _outcome(entry)


def _outcome(entry: dict[str, Any]) -> Outcome:
    response = entry.get("response")
    if not isinstance(response, dict) or not isinstance(response.get("status_code"), int):
        told = read_error(entry.get("error"))
        # Requests of a batch that expired or was cancelled were not sent: their fault has status 0.
        sent = bool(entry.get("error")) and not told["code"].startswith("batch_")
        return Fault(FAILED, f"no response: {told['message'] or 'no reason'}", 500 if sent else 0)
    # vLLM leaves the body of a failed request empty and writes the error into a field of the entry.
    body = response.get("body") or entry.get("error")
    return classify(Response(response["status_code"], {}, json.dumps(body).encode(), 0.0, 0.0))


def _object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
