"""Tokens and dollars: predicted before a job, reserved while it runs, counted as replies come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ConfigError
from valuedrift.llm.http_errors import BudgetError
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatReply, ChatRequest

BATCH_DISCOUNT = 0.5  # the Batch API's price over the synchronous price
BATCH_HOURS = 24.0  # within which the Batch API promises a batch
_BYTES_PER_TOKEN = 3.0  # English takes about 4; a request's share of the budget must not be too small
_TOKENS_PER_TURN = 4
_MILLION = 1e6


@dataclass(frozen=True)
class Estimate:
    """What a job would cost at most; tokens are a rough rule (3 bytes each), answers count with their longest length.

    requests: distinct ones · to_send: those without a reply in the journal · tokens, dollars and hours: of those to
    send · hours: what the limits in the settings leave at least, 0 where there are none
    """

    requests: int
    to_send: int
    input_tokens: int
    output_tokens: int
    dollars: float
    dollars_batch: float
    hours: float


def estimate(requests: Iterable[ChatRequest], settings: LlmSettings, journal: Path | None = None) -> Estimate:
    """Predict the cost of `complete` with these arguments, without sending anything or touching the journal."""
    store = Journal.read(journal) if journal is not None and journal.is_file() else None
    seen: set[bytes] = set()
    to_send = input_sum = output_sum = 0
    for request in requests:
        key = request.key(settings.model)
        if (short := bytes.fromhex(key)) in seen:
            continue
        seen.add(short)
        if store is None or key not in store:
            to_send, input_sum, output_sum = (
                to_send + 1,
                input_sum + input_tokens(request),
                output_sum + request.max_tokens,
            )
    if store:
        store.close()
    total = dollars(settings, input_sum, output_sum)
    batch = total * BATCH_DISCOUNT
    if settings.backend in ("vllm", "transformers"):
        total = batch = 0.0
    hours = waiting_hours(to_send, input_sum + output_sum, settings.model_dump())
    return Estimate(len(seen), to_send, input_sum, output_sum, total, batch, hours)


def input_tokens(request: ChatRequest) -> int:
    """About how many tokens a request's turns take, rather more than fewer. Measured on English chat prompts."""
    size = sum(len(turn.content.encode("utf-8", "surrogatepass")) for turn in request.turns)
    return round(size / _BYTES_PER_TOKEN) + _TOKENS_PER_TURN * (len(request.turns) + 1)


def dollars(settings: LlmSettings, prompt_tokens: float, completion_tokens: float) -> float:
    """The price of so many tokens, synchronously."""
    return (prompt_tokens * settings.input_price + completion_tokens * settings.output_price) / _MILLION


def waiting_hours(requests: float, tokens: float, llm: Mapping[str, Any]) -> float:
    """The least time that a chat model's limits leave for all requests: a minute's requests and tokens, or batches.

    A batch is promised within a day; batches that don't fit into the queue at a time wait for each other.
    llm: the settings, or the configuration's section
    """
    if llm["backend"] == "batch":
        room = llm.get("batch_tokens") or tokens
        return BATCH_HOURS * -(-tokens // max(1, room))
    rates = ((requests, llm.get("requests_per_minute")), (tokens, llm.get("tokens_per_minute")))
    return max(count / rate if rate else 0.0 for count, rate in rates) / 60


def value_of(reply: ChatReply, dollars: float) -> dict[str, object]:
    """What the journal holds of a reply: its fields, and what it cost, tries that gave nothing usable included."""
    return {
        "text": reply.text,
        "finish": reply.finish,
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "latency": round(reply.latency, 6),
        "top_logprobs": reply.top_logprobs,
        "dollars": dollars,
    }


class Spending:
    """The dollars of one journal's replies, and those that requests in flight may still cost."""

    def __init__(self, settings: LlmSettings, journal: Journal, discount: float = 1.0) -> None:
        if settings.budget is not None and settings.input_price <= 0 and settings.output_price <= 0:
            raise ConfigError(
                "budget", settings.budget, "prices above 0 with it, or no budget", "Set input_price and output_price."
            )
        self.settings, self.discount = settings, discount
        self.spent = spent(journal) if settings.input_price or settings.output_price else 0.0
        # Reserved tokens are whole numbers: sums of dollars would not come back to exactly 0.
        self.in_flight = self._input = self._output = 0

    def price(self, prompt_tokens: float, completion_tokens: float) -> float:
        return self.discount * dollars(self.settings, prompt_tokens, completion_tokens)

    def fits(self, request: ChatRequest) -> bool:
        """Whether the budget covers the request's worst case beside what is spent and in flight."""
        if self.settings.budget is None:
            return True
        reserved = self.price(self._input + input_tokens(request), self._output + request.max_tokens)
        return self.spent + reserved <= self.settings.budget

    def reserve(self, request: ChatRequest, sign: int = 1) -> None:
        self.in_flight += sign
        if self.settings.budget is not None:
            self._input += sign * input_tokens(request)
            self._output += sign * request.max_tokens

    def release(self, request: ChatRequest) -> None:
        self.reserve(request, sign=-1)

    def error(self, request: ChatRequest) -> BudgetError:
        worst = self.price(input_tokens(request), request.max_tokens)
        return BudgetError(
            f"{self.spent:.4f} dollars are spent, and the next request may cost {worst:.4f}: more than the budget of "
            f"{self.settings.budget} dollars. All replies are kept. Raise the setting 'budget' and run again to go on."
        )


def spent(journal: Journal) -> float:
    """The dollars that the replies in a journal cost when they came."""
    return sum(float(value.get("dollars", 0.0)) for _, value in journal.items())
