"""Backend http: send many requests at a time to an OpenAI-compatible endpoint until the journal has all replies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import aclosing, closing

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ValueDriftError
from valuedrift.llm.chat_format import Answered, Failed, body_of
from valuedrift.llm.client import Client
from valuedrift.llm.cost import Spending, value_of
from valuedrift.llm.http_errors import EndpointError, Overloaded, Refused, classify, endpoint_name, refused_error
from valuedrift.llm.journal import Journal
from valuedrift.llm.pace import Pace
from valuedrift.llm.request import ChatReply, ChatRequest
from valuedrift.llm.request_progress import Progress

_WORKERS_PER_REQUEST = 2  # while some workers wait before their next attempt, others can send
_SKIPS_PER_PAUSE = 256
_BUDGET_POLL = 0.05  # seconds


def complete_http(requests: Iterable[ChatRequest], settings: LlmSettings, journal: Journal) -> None:
    """Get all replies that are not in the journal. After EndpointError or BudgetError it keeps those received."""
    with closing(Progress(requests, settings)) as progress:
        asyncio.run(_Job(settings, journal, progress).run(iter(requests)))


class _Job:
    """The state of one run: its pace, its cost, and the error that stops it."""

    def __init__(self, settings: LlmSettings, journal: Journal, progress: Progress) -> None:
        self.settings, self.journal, self.progress = settings, journal, progress
        self.spending = Spending(settings, journal)
        self.pace = Pace(settings.concurrency, seed=str(journal.path))
        self.asked: set[str] = set()
        self.error: ValueDriftError | None = None
        self.limit_name = "max_completion_tokens"
        self.answers, self.tokens = 0, 0
        self.trouble_since: float | None = None  # the first failure after the last answer

    async def run(self, requests: Iterator[ChatRequest]) -> None:
        count = _WORKERS_PER_REQUEST * self.settings.concurrency
        async with aclosing(Client(self.settings, self.pace)) as client:
            workers = [asyncio.create_task(self._work(requests, client)) for _ in range(count)]
            try:
                await asyncio.gather(*workers)
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
            if key in self.journal or key in self.asked:
                skipped += 1
                if skipped % _SKIPS_PER_PAUSE == 0:
                    await asyncio.sleep(0)  # gives other workers time to receive their replies before the deadline
                self.progress.skip(self.spending.spent)
                continue
            self.asked.add(key)
            await self._answer(request, key, client)
            self.asked.discard(key)

    async def _answer(self, request: ChatRequest, key: str, client: Client) -> None:
        """Send a request repeatedly until the journal has its reply or the job stops."""
        answers_before, attempts, wasted = self.answers, 0, 0.0
        while await self._admit(request):
            limit_name = self.limit_name
            response = await client.chat(body_of(request, self.settings.model, limit_name))
            self.spending.release(request)
            if response is None:
                return
            match classify(response, request.top_logprobs > 0):
                case Answered(reply):
                    self._keep(key, reply, wasted)
                    self.pace.answered(response.headers, self.tokens / self.answers)
                    return
                case Overloaded(cause, wait):
                    self._check_patience(cause, self.pace.overloaded(response.sent_at, wait))
                case Refused(_, message) if limit_name == "max_completion_tokens" and limit_name in message:
                    self.limit_name = "max_tokens"  # an older server
                case Refused() as refused:
                    self._stop(refused_error(refused, self.settings))
                case Failed(cause) as failed:
                    attempts += 1
                    wasted += self.spending.price(failed)
                    self.spending.spent += self.spending.price(failed)
                    if attempts >= self.settings.attempts:
                        self._give_up(key, cause, attempts, self.answers > answers_before, wasted)
                        return
                    self._check_patience(cause, 0.0)
                    await self.pace.sleep(self.pace.back_off(attempts))

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

    def _keep(self, key: str, reply: ChatReply, wasted: float) -> None:
        self.journal.append(key, value_of(reply, self.spending.price(reply) + wasted))
        self.spending.spent += self.spending.price(reply)
        self.answers += 1
        self.tokens += reply.prompt_tokens + reply.completion_tokens
        self.trouble_since = None
        self.progress.reply(self.spending.spent)

    def _give_up(self, key: str, cause: str, attempts: int, others: bool, wasted: float) -> None:
        """Write an error reply if other requests were answered meanwhile; else stop the job, as the server failed."""
        if others:
            reply = ChatReply(f"given up after {attempts} attempts: {cause}", "error", 0, 0, 0.0)
            self.journal.append(key, value_of(reply, wasted))
            self.progress.give_up(cause)
        else:
            self._stop(
                EndpointError(
                    f"{endpoint_name(self.settings)}: found {cause} in {attempts} attempts at one request, and "
                    "no other was answered meanwhile; expected replies. The journal keeps those that came; run again."
                )
            )

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
