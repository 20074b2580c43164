"""Backend http: send many requests at a time to an OpenAI-compatible endpoint until the journal has all replies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ValueDriftError
from valuedrift.llm.chat_format import Dialect, body_of
from valuedrift.llm.client import Client
from valuedrift.llm.cost import Spending, input_tokens, value_of
from valuedrift.llm.http_responses import EndpointError, endpoint_name, stop_error
from valuedrift.llm.journal import Journal
from valuedrift.llm.pace import Pace
from valuedrift.llm.request import ChatReply, ChatRequest, short_request
from valuedrift.llm.request_progress import Progress
from valuedrift.llm.retry_rules import REFUSED, Fault, classify, flagged

_WORKERS_PER_REQUEST = 2  # while some workers wait before their next attempt, others can send
_SKIPS_PER_PAUSE = 256
_BUDGET_POLL = 0.05  # seconds


def complete_http(requests: Iterable[ChatRequest], settings: LlmSettings, journal: Journal) -> None:
    """Get all replies that are not in the journal. After EndpointError or BudgetError it keeps those received."""
    with closing(Progress(requests, settings)) as progress:
        asyncio.run(_Job(settings, journal, progress).run(iter(requests)))


@dataclass(frozen=True)
class _Result:
    """What became of a request. `wasted` are the dollars of its unusable completions; `sent_at` is the last attempt."""

    outcome: ChatReply | Fault
    attempts: int
    wasted: float
    sent_at: float


class _Job:
    """The state of one run: its pace, its cost, the requests that others' replies decide, the error that stops it."""

    def __init__(self, settings: LlmSettings, journal: Journal, progress: Progress) -> None:
        self.settings, self.journal, self.progress = settings, journal, progress
        self.spending = Spending(settings, journal)
        self.pace = Pace(settings.concurrency, seed=str(journal.path))
        self.asked: set[str] = set()
        self.error: ValueDriftError | None = None
        self.dialect = Dialect()
        self.answers, self.tokens = 0, 0
        self.trouble_since: float | None = None  # the first failure after the last answer
        self.aside: dict[str, tuple[ChatRequest, _Result, float]] = {}  # by key, with the time of the result
        self.doubt = asyncio.Lock()

    async def run(self, requests: Iterator[ChatRequest]) -> None:
        count = _WORKERS_PER_REQUEST * self.settings.concurrency
        async with aclosing(Client(self.settings, self.pace)) as client:
            workers = [asyncio.create_task(self._work(requests, client)) for _ in range(count)]
            try:
                await asyncio.gather(*workers)
                await self._decide(client, 1)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        if self.error:
            raise self.error

    async def _work(self, requests: Iterator[ChatRequest], client: Client) -> None:
        skipped = 0
        for request in requests:
            if self.error:
                return
            key = request.key(self.settings.model)
            if key in self.journal or key in self.asked or key in self.aside:
                skipped += 1
                if skipped % _SKIPS_PER_PAUSE == 0:
                    await asyncio.sleep(0)  # gives other workers time to receive their replies before the deadline
                self.progress.skip(self.spending.spent)
                continue
            self.asked.add(key)
            await self._answer(request, key, client)
            self.asked.discard(key)

    async def _answer(self, request: ChatRequest, key: str, client: Client) -> None:
        """Get a request's reply, and act on it as the table of outcomes says."""
        answers_before = self.answers
        if not (found := await self._ask(request, client)):
            return
        match found.outcome:
            case ChatReply() as reply:
                self._keep(key, request, reply, found)
            case Fault() as fault if fault.is_the_jobs:
                self._stop(stop_error(fault, self.settings))
            case Fault() as fault if fault.is_the_requests:
                self._flag(key, found)
            case Fault() as fault if fault.case.repeat == "attempts" and self.answers > answers_before:
                self._flag(key, found)
            case _:
                self.aside[key] = request, found, time.monotonic()
                await self._decide(client, self.settings.concurrency)

    async def _ask(self, request: ChatRequest, client: Client) -> _Result | None:
        """Send a request until there is a reply or no more attempt is due. Returns None if the job stops."""
        attempts, wasted = 0, 0.0
        trial, objection = None, ""  # a dialect without what the server objected to; the job's if there is a reply
        while await self._admit(request):
            dialect = trial or self.dialect
            response = await client.chat(body_of(request, self.settings.model, dialect))
            self.spending.release(request)
            if response is None:
                return None
            outcome = classify(response, request)
            if isinstance(outcome, ChatReply):
                if trial and trial != self.dialect:
                    self.dialect = trial
                    self.progress.tell(f"{objection} From now on, requests have {trial}.")
                used = self.tokens + outcome.prompt_tokens + outcome.completion_tokens
                self.pace.answered(response.headers, used / (self.answers + 1))
                return _Result(outcome, attempts, wasted, response.sent_at)
            if outcome.case.repeat == "patience":
                self._check_patience(outcome.cause, self.pace.overloaded(response.sent_at, outcome.wait))
                continue
            if outcome.case is REFUSED and (other := dialect.without(outcome.cause, request)):
                trial, objection = other, outcome.cause
                continue
            attempts += 1
            wasted += self.spending.price(outcome)
            self.spending.spent += self.spending.price(outcome)
            if outcome.case.repeat == "never" or attempts >= self.settings.attempts:
                return _Result(outcome, attempts, wasted, response.sent_at)
            self._check_patience(outcome.cause, 0.0)
            await self.pace.sleep(self.pace.back_off(attempts))
        return None

    async def _decide(self, client: Client, most: int) -> None:
        """If `most` requests without a reply wait for a decision, find out whether the fault is theirs or the job's.

        It is theirs if any request sent after them is answered. If there was none, a short one is sent.
        """
        async with self.doubt:
            if self.error or len(self.aside) < most:
                return
            request, result, _ = next(iter(self.aside.values()))
            found = await self._ask(short_request(request), client)
            if found and isinstance(found.outcome, ChatReply):
                self.spending.spent += self.spending.price(found.outcome)
                self._flag_aside(found.sent_at)
            elif found and isinstance(result.outcome, Fault):
                self._stop(stop_error(result.outcome, self.settings, result.attempts))

    async def _admit(self, request: ChatRequest) -> bool:
        """Wait until the budget covers the request's highest cost, and reserve it. Returns False if the job stops."""
        while not self.error and not self.spending.fits(request):
            if self.spending.in_flight == 0:
                self._stop(self.spending.error(request))
            await self.pace.sleep(_BUDGET_POLL)  # most requests in flight cost less than their highest cost
        if self.error:
            return False
        self.spending.reserve(request)
        return True

    def _keep(self, key: str, request: ChatRequest, reply: ChatReply, found: _Result) -> None:
        self.journal.append(key, value_of(reply, self.spending.price(reply) + found.wasted))
        self.spending.spent += self.spending.price(reply)
        self.answers += 1
        self.tokens += reply.prompt_tokens + reply.completion_tokens
        self.trouble_since = None
        self.progress.reply(self.spending.spent)
        self.progress.comparison.add(request.max_tokens, input_tokens(request), reply)
        self._flag_aside(found.sent_at)

    def _flag_aside(self, sent_at: float) -> None:
        """Flag the requests that got no reply before a request that was sent at this time and answered."""
        for key, (_, found, since) in list(self.aside.items()):
            if since <= sent_at:
                del self.aside[key]
                self._flag(key, found)

    def _flag(self, key: str, found: _Result) -> None:
        """Write a reply without an answer."""
        assert isinstance(found.outcome, Fault)
        reply = flagged(found.outcome, f"{found.attempts} attempts")
        self.journal.append(key, value_of(reply, found.wasted))
        self.progress.give_up(found.outcome.cause)

    def _check_patience(self, cause: str, pause: float) -> None:
        """Stop the job if there has been no reply for longer than `patience`, or will have been after the pause."""
        now = time.monotonic()
        self.trouble_since = self.trouble_since or now
        waited = now - self.trouble_since
        self.progress.waiting(cause, waited + pause)
        if waited + pause > self.settings.patience:
            self._stop(
                EndpointError(
                    f"{endpoint_name(self.settings)}: no reply for {waited:.0f} s, next attempt in {pause:.0f} s "
                    f"({cause}); expected one within the setting 'patience', {self.settings.patience:g} s. "
                    "The journal keeps the replies that came; run again to continue."
                )
            )

    def _stop(self, error: ValueDriftError) -> None:
        """Stop sending. Replies to requests in flight are still kept, since they have to be paid for."""
        self.error = self.error or error
        self.pace.stop()
