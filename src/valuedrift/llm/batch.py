"""Backend batch: OpenAI's Batch API, at half the price and within a day.

A folder next to the journal has two files for each batch whose replies are not in the journal yet: its requests
(NAME.jsonl) and a note (NAME.json). The note is written just before the batch is created, and gets the batch's id at
the server as soon as the server returns it. NAME is also sent as the batch's metadata. So a job that is started again
after it was killed finds its batches: by id, or by name if it was killed before it wrote the id. Requests without a
note were never sent, and are chosen again.
"""

from __future__ import annotations

import math
import shutil
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from valuedrift.config.chat_models import LlmSettings
from valuedrift.files import read_json, write_json
from valuedrift.llm.batch_api import BatchApi
from valuedrift.llm.batch_files import batch_line, read_batch_file, read_batch_outcomes, write_batch_file
from valuedrift.llm.chat_format import NO_LOGPROBS, lacks_logprobs
from valuedrift.llm.cost import BATCH_DISCOUNT, Spending, input_tokens, value_of
from valuedrift.llm.http_responses import EndpointError, endpoint_name, stop_error
from valuedrift.llm.journal import Journal
from valuedrift.llm.request import ChatReply, ChatRequest, short_request
from valuedrift.llm.request_progress import Progress
from valuedrift.llm.retry_rules import FAILED, REFUSED, Fault, Outcome, flagged

_ROUNDS = 4
_ENDED = ("completed", "failed", "expired", "cancelled")
_QUEUE_FULL = "token_limit_exceeded"


def complete_batch(requests: Iterable[ChatRequest], settings: LlmSettings, journal: Journal) -> None:
    """Get all replies that are not in the journal from the Batch API, and wait for them: minutes to a day per batch.

    A batch has at most `batch_requests` requests and `batch_bytes` bytes; at most `batches_in_flight` batches and
    `batch_tokens` tokens are enqueued at a time. Requests that a batch leaves unanswered are sent in another batch, at
    most three times.

    Raises:
        EndpointError, BudgetError: The journal keeps the replies received; the same call continues from there.
    """
    with closing(Progress(requests, settings)) as progress, closing(BatchApi(settings)) as api:
        _Job(settings, journal, progress, api).run(iter(requests))


@dataclass(frozen=True)
class _Batch:
    """A batch at the server. `tokens` are its input tokens as `input_tokens` estimates them."""

    id: str
    requests: Path
    tokens: int

    @property
    def note(self) -> Path:
        return self.requests.with_suffix(".json")


class _Job:
    """The state of one run: the batches at the server, and the requests to submit again."""

    def __init__(self, settings: LlmSettings, journal: Journal, progress: Progress, api: BatchApi) -> None:
        self.settings, self.journal, self.progress, self.api = settings, journal, progress, api
        self.folder = journal.path.with_name(journal.path.name + ".batches")
        self.spending = Spending(settings, journal, BATCH_DISCOUNT)
        self.most_tokens = math.inf if settings.batch_tokens is None else settings.batch_tokens
        self.pending: list[_Batch] = []
        self.asked: set[bytes] = set()
        self.retries: deque[ChatRequest] = deque()
        self.failures: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()
        self.error: Exception | None = None
        self.queue_full = False
        self.answers, self.last_answer = 0, time.monotonic()

    def run(self, requests: Iterator[ChatRequest]) -> None:
        self.folder.mkdir(exist_ok=True)
        self._recover()
        while not self.error:
            while self._has_room() and (chosen := self._choose(requests)):
                self._submit(chosen)
            if not self.pending:
                break
            self._collect_ended()
        if not self.pending:
            shutil.rmtree(self.folder)
        if self.error:
            raise self.error  # the server continues its batches, and the next run finds them
        if self.unanswered:
            raise self._unanswered_error()

    def _recover(self) -> None:
        """Find the batches of a run that was killed."""
        for note in self.folder.glob("*.json"):
            if not note.with_suffix(".jsonl").exists():
                note.unlink()  # its replies are in the journal
        for path in sorted(self.folder.glob("*.jsonl")):
            note = path.with_suffix(".json")
            if batch_id := self._find_id(note):
                tokens = 0
                for key, request in read_batch_file(path):
                    self.asked.add(bytes.fromhex(key))
                    self.spending.reserve(request)
                    tokens += input_tokens(request)
                self._add(_Batch(batch_id, path, tokens))
            else:
                path.unlink()
                note.unlink(missing_ok=True)

    def _find_id(self, note: Path) -> str | None:
        """Return the id of a note's batch; None if the batch was never created."""
        if not note.exists():
            return None
        batch_id: str | None = read_json(note).get("id")
        return batch_id or self.api.find(note)

    def _next(self, requests: Iterator[ChatRequest]) -> ChatRequest | None:
        """Return the next request to submit: first those that a batch left unanswered, then new ones."""
        if self.retries:
            return self.retries.popleft()
        for request in requests:
            key = request.key(self.settings.model)
            if key in self.journal or bytes.fromhex(key) in self.asked:
                self.progress.skip(self.spending.spent)
            else:
                self.asked.add(bytes.fromhex(key))
                return request
        return None

    def _has_room(self) -> bool:
        if self.queue_full and self.pending:
            return False
        return len(self.pending) < self.settings.batches_in_flight and self._enqueued() < self.most_tokens

    def _enqueued(self) -> int:
        return sum(batch.tokens for batch in self.pending)

    def _choose(self, requests: Iterator[ChatRequest]) -> list[ChatRequest]:
        """Return the requests of the next batch: as many as the limits of file, queue and budget allow."""
        chosen: list[ChatRequest] = []
        size, tokens = 0, self._enqueued()
        while request := self._next(requests):
            size += len(batch_line(request, self.settings.model))
            tokens += input_tokens(request)
            affordable = self.spending.fits(request)
            if not affordable or self._is_full(len(chosen), size, tokens):
                self.retries.appendleft(request)
                if not affordable and not chosen and not self.pending:
                    self.error = self.spending.error(request)
                return chosen
            self.spending.reserve(request)
            chosen.append(request)
        return chosen

    def _is_full(self, chosen: int, size: int, tokens: int) -> bool:
        """Whether one more request is too many. The first one never is: if it is too large, the server says so."""
        too_large = size > self.settings.batch_bytes or tokens > self.most_tokens
        return chosen >= self.settings.batch_requests or (too_large and bool(chosen or self.pending))

    def _submit(self, chosen: list[ChatRequest]) -> None:
        path = self.folder / f"{uuid.uuid4().hex}.jsonl"
        write_batch_file(chosen, self.settings.model, path)
        file_id = self.api.upload(path)
        note = path.with_suffix(".json")
        write_json(note, {"file": file_id})  # from now on the server may have the batch
        self._add(_Batch(self.api.create(file_id, note), path, sum(map(input_tokens, chosen))))

    def _add(self, batch: _Batch) -> None:
        write_json(batch.note, {"id": batch.id})
        self.pending.append(batch)

    def _collect_ended(self) -> None:
        """Collect the batches that have ended, or wait for a while if none has."""
        before = len(self.pending)
        for batch in list(self.pending):
            state = self.api.state(batch.id)
            if state.status in _ENDED:
                self._collect(batch, state.files, state.errors)
                self.pending.remove(batch)
        if len(self.pending) == before:
            self.progress.waiting(f"{before} batches at the server", time.monotonic() - self.last_answer)
            time.sleep(self.settings.batch_poll)

    def _collect(self, batch: _Batch, files: list[str], errors: list[tuple[str, str]]) -> None:
        """Write a batch's replies into the journal, and queue its unanswered requests again."""
        asked = {
            key: (input_tokens(request), replace(request, turns=())) for key, request in read_batch_file(batch.requests)
        }
        faults: dict[str, Fault] = {}
        answers_before = self.answers
        for file in files:
            output = batch.requests.with_suffix(".output")
            self.api.download(file, output)
            for key, outcome in read_batch_outcomes(output, self.api.redact):
                if key in asked and key not in self.journal and (fault := self._settle(key, outcome, *asked[key])):
                    faults[key] = fault
            output.unlink()
        refused = [(key, fault) for key, fault in faults.items() if fault.case.repeat == "never"]
        self._decide(refused, {key: request for key, (_, request) in asked.items()}, self.answers > answers_before)
        full = any(code == _QUEUE_FULL for code, _ in errors)
        if errors and not full:
            self._stop(Fault(REFUSED, "; ".join(f"{code}: {message}" for code, message in errors[:3])))
        self.queue_full = full
        if full and len(self.pending) == 1:
            time.sleep(self.settings.batch_poll)  # another job fills the queue
        for key, request in read_batch_file(batch.requests):
            self.spending.release(request)
            if key in self.journal:
                self.asked.discard(bytes.fromhex(key))
            else:
                self._retry(key, request, faults.get(key), full and len(self.pending) > 1)
        batch.requests.unlink()
        batch.note.unlink()

    def _settle(self, key: str, outcome: Outcome, estimate: int, request: ChatRequest) -> Fault | None:
        """Write a reply into the journal, or return the fault in its place, if there was a response."""
        if isinstance(outcome, ChatReply):
            cost = self.spending.price(outcome)
            self.spending.spent += cost
            if request.top_logprobs and lacks_logprobs(outcome):
                return Fault(FAILED, NO_LOGPROBS, 200)
            self.journal.append(key, value_of(outcome, cost))
            self.answers += 1
            self.last_answer = time.monotonic()
            self.progress.reply(self.spending.spent)
            self.progress.comparison.add(request.max_tokens, estimate, outcome)
        elif outcome.is_the_jobs:
            self._stop(outcome)
        elif outcome.is_the_requests:
            self._flag(key, outcome)
        elif outcome.status:
            return outcome
        return None

    def _decide(
        self, refused: Sequence[tuple[str, Fault]], requests: Mapping[str, ChatRequest], others_answered: bool
    ) -> None:
        """Flag the requests that a batch refused, or stop the job if no request is answered, not even a short one."""
        for key, fault in refused:
            others_answered = others_answered or self.api.is_answered(short_request(requests[key]))
            if not others_answered:
                return self._stop(fault)
            self._flag(key, fault)

    def _is_anything_answered(self, request: ChatRequest) -> bool:
        return self.answers > 0 or self.api.is_answered(short_request(request))

    def _flag(self, key: str, fault: Fault) -> None:
        """Write a reply without an answer."""
        self.journal.append(key, value_of(flagged(fault, f"{_ROUNDS} batches"), 0.0))
        self.progress.give_up(fault.cause)

    def _retry(self, key: str, request: ChatRequest, fault: Fault | None, uncounted: bool) -> None:
        """Queue a request again, or give it up. `fault` is what the server answered in its place, if anything."""
        self.failures[key] += not uncounted
        if self.failures[key] < _ROUNDS:
            self.retries.append(request)
        elif fault and fault.case.repeat == "attempts" and self._is_anything_answered(request):
            self._flag(key, fault)
        else:
            self.unanswered[fault.cause if fault else "the batch ended without it"] += 1

    def _stop(self, fault: Fault) -> None:
        self.error = self.error or stop_error(fault, self.settings)

    def _unanswered_error(self) -> EndpointError:
        causes = "; ".join(f"{count} × {cause}" for cause, count in self.unanswered.most_common(3))
        return EndpointError(
            f"{endpoint_name(self.settings)}: {self.unanswered.total()} requests have no reply after {_ROUNDS} batches "
            f"({causes}); expected one each. The journal keeps the replies that came; run again to continue."
        )
