"""Progress of a run: one changing line on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from transformers import TrainerCallback, TrainerState

from valuedrift.quantities import duration


class Progress(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Print step, loss, tokens per second and time left, after each step on a terminal, else at each logged step."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self._first, self._start = 0, 0.0
        self._loss, self._speed = float("nan"), float("nan")
        self._width = 0

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        self._first, self._start = state.global_step, time.monotonic()

    def on_log(self, args: Any, state: TrainerState, control: Any, logs: dict[str, Any], **kwargs: Any) -> None:
        loss = logs.get("loss", logs.get("loss/policy_avg"))
        if loss is None:  # the summary at the end
            return
        self._loss, self._speed = float(loss), float(logs.get("tokens_per_second", self._speed))
        if not self.stream.isatty() and state.is_world_process_zero:
            print(self._line(state), file=self.stream, flush=True)

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        if self.stream.isatty() and state.is_world_process_zero:
            line = self._line(state)
            end = "\n" if state.global_step == state.max_steps else ""
            print(f"\r{line:<{self._width}}", end=end, file=self.stream, flush=True)
            self._width = len(line)

    def _line(self, state: TrainerState) -> str:
        done, whole = state.global_step, state.max_steps
        each = (time.monotonic() - self._start) / max(1, done - self._first)
        parts = [f"step {done:,}/{whole:,}"]
        if self._loss == self._loss:
            parts.append(f"loss {self._loss:.4g}")
        if self._speed == self._speed:
            parts.append(f"{self._speed:,.0f} tokens/s")
        return ", ".join([*parts, f"{duration(each * (whole - done))} left"])
