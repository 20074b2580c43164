"""What a response means for its request and for the job: one table, CASES, which docs/endpoints.md shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from valuedrift.llm.api_key import hide_keys
from valuedrift.llm.chat_format import Unusable, decoded, read_reply
from valuedrift.llm.http_responses import Response, read_error, retry_after
from valuedrift.llm.request import ChatReply, ChatRequest

Repeat = Literal["never", "attempts", "patience"]
"""How long a request is sent again: up to `attempts` times, or until there was no reply at all for `patience` s."""

Result = Literal["content_filter", "error", "stop"]
"""The request gets a reply with this flag, or the job stops."""


@dataclass(frozen=True)
class Case:
    """One row of the table. It holds for a response with one of its statuses or codes.

    Attributes:
        meaning: What the response says, for the documentation.
        statuses: HTTP statuses and ranges of them. An error in the body of a response with status 200 counts as the
            status that the body names, or else as 500.
        codes: Values of `code`, `type` or `status` of the error in the body.
        repeat: How long the request is sent again.
        others: What happens then if other requests are answered.
        nobody: What happens then if none is answered, not even a short request that differs only in its text.
    """

    meaning: str
    statuses: str
    codes: tuple[str, ...]
    repeat: Repeat
    others: Result
    nobody: Result

    def covers(self, status: int) -> bool:
        """Whether the status is one of `statuses`."""
        spans = [span.partition("-") for span in self.statuses.split(", ") if span]
        return any(int(first) <= status <= int(last or first) for first, _, last in spans)


CASES = (
    Case(
        "the provider filtered the prompt or the answer",
        "",
        ("content_filter", "content_policy_violation"),
        "never",
        "content_filter",
        "content_filter",
    ),
    Case(
        "the prompt is too long",
        "",
        ("context_length_exceeded", "string_above_max_length", "exceed_context_size_error"),
        "never",
        "error",
        "error",
    ),
    Case(
        "the key, the account, the address or the model's name is wrong",
        "300-399, 401, 402, 404, 405",
        ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active"),
        "never",
        "stop",
        "stop",
    ),
    Case(
        "the server is overloaded or unreachable",
        "429, 502, 503, 529",
        ("overloaded_error", "rate_limit_error", "rate_limit_exceeded", "RESOURCE_EXHAUSTED", "UNAVAILABLE"),
        "patience",
        "stop",
        "stop",
    ),
    Case(
        "the attempt failed: an error of the server, no whole response in time, or no usable completion",
        "100-199, 408, 409, 424, 425, 500-599",
        (),
        "attempts",
        "error",
        "stop",
    ),
    Case("the request is refused", "400-499", (), "never", "error", "stop"),
)
"""The first case that holds decides."""

_OVERLOADED, FAILED, REFUSED = CASES[3:]


@dataclass(frozen=True)
class Fault:
    """A response without a reply.

    Attributes:
        case: The row of the table.
        cause: The server's words, or what is wrong with the response.
        status: The HTTP status.
        parameter: The field of the request that the server objects to, if it names one.
        wait: Seconds that the server asks to wait.
        prompt_tokens: Tokens of an unusable completion, which is billed nevertheless.
        completion_tokens: Its completion tokens.
    """

    case: Case
    cause: str
    status: int = 0
    parameter: str = ""
    wait: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0

    @property
    def is_the_requests(self) -> bool:
        """Whether the response says that the request can never be answered, whatever others get."""
        return self.case.nobody != "stop"

    @property
    def is_the_jobs(self) -> bool:
        """Whether the response says that no request can be answered."""
        return self.case.repeat == "never" and self.case.others == "stop"


Outcome = ChatReply | Fault


def classify(response: Response, request: ChatRequest | None = None) -> Outcome:
    """Return the reply in a response to `request`, or the fault. Without a request, no log-probabilities are needed."""
    if response.status == 0:
        return Fault(_OVERLOADED if response.unreachable else FAILED, response.fault)
    body = decoded(response.content)
    status, tokens = response.status, (0, 0)
    if 200 <= status < 300:
        try:
            return read_reply(body, response.latency, request)
        except Unusable as unusable:
            if not unusable.error:
                return Fault(FAILED, hide_keys(str(unusable)), status, "", None, *unusable.tokens)
            body, tokens = unusable.error, unusable.tokens
    told = read_error(body)
    if 200 <= status < 300:
        status = int(told["code"]) if told["code"] in map(str, range(400, 600)) else 500
    words = {told["code"], told["type"]}
    case = next((case for case in CASES if words & {*case.codes} or case.covers(status)), FAILED)
    cause = f"HTTP {response.status}: {told['message']}"
    return Fault(case, cause, response.status, told["param"], retry_after(response.headers), *tokens)


def flagged(fault: Fault, tried: str) -> ChatReply:
    """Return the reply that a request gets which alone can't be answered. `tried` says how often it was sent."""
    assert fault.case.others != "stop"
    given_up = f"given up after {tried}: " if fault.case.repeat == "attempts" else ""
    return ChatReply(given_up + fault.cause, fault.case.others, 0, 0, 0.0)
