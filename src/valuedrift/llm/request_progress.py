"""Print the progress of a job to stderr."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Sized

from valuedrift.config.chat_models import LlmSettings
from valuedrift.llm.comparison import Comparison

_INTERVAL = 10.0


class Progress:
    """Counts replies, and prints a line at most every ten seconds and at the end."""

    def __init__(self, requests: Iterable[object], settings: LlmSettings) -> None:
        self.total = len(requests) if isinstance(requests, Sized) else None
        self.model, self.budget = settings.model, settings.budget
        self.paid = settings.input_price > 0 or settings.output_price > 0
        self.sent = self.skipped = 0
        self.given_up: Counter[str] = Counter()
        self.dollars = 0.0
        self.comparison = Comparison(settings.model)
        self.start = self.printed = time.monotonic()

    def skip(self, dollars: float) -> None:
        self.skipped += 1
        self._tick(dollars)

    def reply(self, dollars: float) -> None:
        self.sent += 1
        self._tick(dollars)

    def tell(self, message: str) -> None:
        print(f"{self.model}: {message}", file=sys.stderr, flush=True)

    def give_up(self, cause: str) -> None:
        self.given_up[cause[:200]] += 1

    def waiting(self, cause: str, seconds: float) -> None:
        """Print what the job waits for if there has been no reply for ten seconds."""
        if seconds >= _INTERVAL and self._is_time():
            print(f"{self.model}: no reply for {seconds:.0f} s: {cause}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Print the last line, why requests were given up, and where replies are not what was asked."""
        if self.sent or self.given_up:
            print(self.line(), file=sys.stderr)
        for cause, count in self.given_up.most_common(5):
            print(f"{self.model}: {count} requests given up and recorded as errors: {cause}", file=sys.stderr)
        for line in self.comparison.lines():
            self.tell(line)

    def line(self) -> str:
        of = "" if self.total is None else f" of {self.total}"
        rate = self.sent / max(1e-9, time.monotonic() - self.start)
        limit = "" if self.budget is None else f" of {self.budget:g}"
        paid = f", {self.dollars:.2f}{limit} dollars" if self.paid else ""
        done = f"{self.sent + self.skipped}{of} replies, {self.skipped} of them from the journal"
        return f"{self.model}: {done}, {rate:.1f} per second{paid}"

    def _tick(self, dollars: float) -> None:
        self.dollars = dollars
        if self._is_time():
            print(self.line(), file=sys.stderr, flush=True)

    def _is_time(self) -> bool:
        now = time.monotonic()
        if now - self.printed < _INTERVAL:
            return False
        self.printed = now
        return True
