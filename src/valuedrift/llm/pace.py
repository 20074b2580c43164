"""Adapt the number of requests in flight to what the server can process, by its responses."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import deque
from collections.abc import Mapping

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 60.0
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Pace:
    """Admits requests: at most `limit` in flight, and none during a pause.

    The limit is halved when the server is overloaded, and grows by one with every `limit` replies, up to `most`, as in
    TCP. So the rate becomes about what the server can process. Requests that were in flight when the limit was halved
    don't halve it again.
    """

    def __init__(self, most: int, seed: str) -> None:
        self.most, self.limit, self.in_flight = most, float(most), 0
        self._random = random.Random(seed)
        self._pause_end = self._halved_at = 0.0
        self._refusals = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._stop = asyncio.Event()

    async def enter(self) -> bool:
        """Wait until one more request may be sent, and count it as in flight. Returns False if the job stops."""
        while not self._stop.is_set():
            pause = self._pause_end - time.monotonic()
            if pause > 0:
                await self.sleep(pause)
            elif self.in_flight < int(self.limit):
                self.in_flight += 1
                return True
            else:
                self._waiting.append(asyncio.get_running_loop().create_future())
                await self._waiting[-1]
        return False

    def leave(self) -> None:
        self.in_flight -= 1
        self._wake(1)

    def answered(self, headers: Mapping[str, str], tokens: float) -> None:
        """Record a reply. `tokens` is the average per request, which is compared with the server's token limit."""
        self._refusals = 0
        before, self.limit = int(self.limit), min(float(self.most), self.limit + 1 / self.limit)
        needs = {"requests": 1.0, "tokens": tokens}
        short = max(shortage(headers, unit, self.in_flight, each) for unit, each in needs.items())
        if short:
            self._pause_end = max(self._pause_end, time.monotonic() + short)
        if int(self.limit) > before:
            self._wake(1)

    def overloaded(self, sent_at: float, wait: float | None) -> float:
        """Record that the server is overloaded, and return the pause in seconds: the server's `wait`, or a back-off."""
        now = time.monotonic()
        if sent_at >= self._halved_at:
            self.limit = max(1.0, self.limit / 2)
            self._halved_at = now
            self._refusals += 1
        pause = wait or self.back_off(self._refusals)  # a wait of 0 s would repeat the request at once
        self._pause_end = max(self._pause_end, now + pause)
        return self._pause_end - now

    def back_off(self, failures: int) -> float:
        """Return the seconds to wait after this many failures: doubling, with jitter so that clients don't coincide."""
        return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures, 20)) * self._random.uniform(0.5, 1.0)

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`, or until the job stops."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            pass

    def stop(self) -> None:
        self._stop.set()
        self._wake(len(self._waiting))

    def _wake(self, sleepers: int) -> None:
        while sleepers and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # its task may have been cancelled
                turn.set_result(None)
                sleepers -= 1


def shortage(headers: Mapping[str, str], unit: str, in_flight: int, each: float) -> float:
    """Return the seconds until the allowance in the x-ratelimit headers covers what is in flight and one more request.

    The reset header is the time until the whole allowance is available again, so the allowance grows by
    (limit - remaining) / reset per second.

    Args:
        headers: Headers of a response. Without x-ratelimit headers the result is 0.
        unit: "requests" or "tokens".
        in_flight: Number of requests in flight.
        each: Need of one request, in that unit.
    """
    try:
        limit, remaining = (float(headers[f"x-ratelimit-{kind}-{unit}"]) for kind in ("limit", "remaining"))
        reset = seconds(headers[f"x-ratelimit-reset-{unit}"])
    except (KeyError, ValueError):
        return 0.0
    missing, used = (in_flight + 1) * each - remaining, limit - remaining
    return min(reset, reset * missing / used) if missing > 0 and used > 0 else 0.0


def seconds(span: str) -> float:
    """Return a span in a rate-limit header in seconds: 120ms, 6m0s, 1.5s, 3. Raises ValueError for other text."""
    parts = _SPAN.findall(span)
    if "".join(number + unit for number, unit in parts) == span.strip() and parts:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return float(span)
