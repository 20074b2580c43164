"""Tokens and dollars: estimated before a job, reserved while a request is in flight, counted when its reply arrives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ConfigError
from valuedrift.llm.http_responses import BudgetError
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatReply, ChatRequest
from valuedrift.llm.retry_rules import Fault

BATCH_DISCOUNT = 0.5  # price of the Batch API, relative to the synchronous API
BATCH_HOURS = 24.0  # the Batch API promises the replies of a batch within this time
_BYTES_PER_TOKEN = 3.0  # English has about 4; 3 makes the estimates of tokens too large rather than too small
_TOKENS_PER_TURN = 4
_MILLION = 1e6


@dataclass(frozen=True)
class Estimate:
    """The highest cost of a job. Prompts count one token per 3 bytes, answers their maximum length.

    Attributes:
        requests: Number of distinct requests.
        to_send: Number of requests without a reply in the journal. The following fields are about these only.
        input_tokens: Tokens of the prompts.
        output_tokens: Tokens of the answers.
        dollars: Price with the synchronous API.
        dollars_batch: Price with the Batch API.
        hours: The least time that the rate limits in the settings allow; 0 without limits.
    """

    requests: int
    to_send: int
    input_tokens: int
    output_tokens: int
    dollars: float
    dollars_batch: float
    hours: float


def estimate(requests: Iterable[ChatRequest], settings: LlmSettings, journal: Path | None = None) -> Estimate:
    """Estimate the cost of `complete` with these arguments. Nothing is sent or written."""
    store = Journal.read(journal) if journal is not None and journal.is_file() else None
    seen: set[bytes] = set()
    to_send = input_sum = output_sum = 0
    for request in requests:
        key = request.key(settings.model)
        if (short := bytes.fromhex(key)) in seen:
            continue
        seen.add(short)
        if store is None or key not in store:
            to_send += 1
            input_sum += input_tokens(request)
            output_sum += request.max_tokens
    if store:
        store.close()
    total = dollars(settings, input_sum, output_sum)
    batch = total * BATCH_DISCOUNT
    if settings.backend in ("vllm", "transformers"):
        total = batch = 0.0
    hours = waiting_hours(to_send, input_sum + output_sum, settings.model_dump())
    return Estimate(len(seen), to_send, input_sum, output_sum, total, batch, hours)


def input_tokens(request: ChatRequest) -> int:
    """Estimate the tokens of a request's turns, rather too many than too few (measured on English prompts)."""
    size = sum(len(turn.content.encode("utf-8", "surrogatepass")) for turn in request.turns)
    return round(size / _BYTES_PER_TOKEN) + _TOKENS_PER_TURN * (len(request.turns) + 1)


def dollars(settings: LlmSettings, prompt_tokens: float, completion_tokens: float) -> float:
    """Return the price of these tokens with the synchronous API."""
    return (prompt_tokens * settings.input_price + completion_tokens * settings.output_price) / _MILLION


def waiting_hours(requests: float, tokens: float, llm: Mapping[str, Any]) -> float:
    """Return the least time, in hours, that requests take because of a chat model's rate limits or batches.

    A batch counts a day; batches that don't fit into the queue together run one after another.

    Args:
        requests: Number of requests.
        tokens: Sum of their input and output tokens.
        llm: The chat model's section of the configuration.
    """
    if llm["backend"] == "batch":
        room = llm.get("batch_tokens") or tokens
        return BATCH_HOURS * -(-tokens // max(1, room))
    rates = ((requests, llm.get("requests_per_minute")), (tokens, llm.get("tokens_per_minute")))
    return max(count / rate if rate else 0.0 for count, rate in rates) / 60


def value_of(reply: ChatReply, dollars: float) -> dict[str, object]:
    """Return a reply's value in the journal: its fields, and `dollars`, its cost with that of its failed attempts."""
    return {**vars(reply), "latency": round(reply.latency, 6), "dollars": dollars}


class Spending:
    """The dollars that a journal's replies have cost, and the most that the requests in flight may still cost."""

    def __init__(self, settings: LlmSettings, journal: Journal, discount: float = 1.0) -> None:
        if settings.budget is not None and settings.input_price <= 0 and settings.output_price <= 0:
            raise ConfigError(
                "budget", settings.budget, "prices above 0, or no budget", "Set input_price and output_price."
            )
        self.settings, self.discount = settings, discount
        paid = settings.input_price or settings.output_price
        self.spent = math.fsum(value.get("dollars", 0.0) for _, value in journal.items()) if paid else 0.0
        # Reserved tokens are whole numbers: sums of dollars would not return to exactly 0.
        self.in_flight = self._input = self._output = 0

    def price(self, used: ChatReply | Fault) -> float:
        return self.discount * dollars(self.settings, used.prompt_tokens, used.completion_tokens)

    def fits(self, request: ChatRequest) -> bool:
        """Whether the budget covers the request's highest cost in addition to what is spent and reserved."""
        if self.settings.budget is None:
            return True
        reserved = dollars(self.settings, self._input + input_tokens(request), self._output + request.max_tokens)
        return self.spent + self.discount * reserved <= self.settings.budget

    def reserve(self, request: ChatRequest, sign: int = 1) -> None:
        self.in_flight += sign
        if self.settings.budget is not None:
            self._input += sign * input_tokens(request)
            self._output += sign * request.max_tokens

    def release(self, request: ChatRequest) -> None:
        self.reserve(request, sign=-1)

    def error(self, request: ChatRequest) -> BudgetError:
        worst = self.discount * dollars(self.settings, input_tokens(request), request.max_tokens)
        return BudgetError(
            f"{self.spent:.4f} dollars are spent, and the next request may cost {worst:.4f}: more than the budget of "
            f"{self.settings.budget} dollars. All replies are kept. Raise the setting 'budget' and run again."
        )
