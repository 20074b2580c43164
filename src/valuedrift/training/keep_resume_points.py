"""Save resume points during training, and at SIGTERM, which ends the run."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from valuedrift.training.checkpoints import SaveTrajectory
from valuedrift.training.devices import is_main, processes
from valuedrift.training.job import Job
from valuedrift.training.resume_points import log, write_point

# EX_TEMPFAIL of sysexits.h: nothing is wrong, try again.
PREEMPTED = 75


class KeepPoints(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Save a point at each checkpoint but the last, every `resume_minutes`, and at SIGTERM, which then ends the run.

    This callback decides when the trainer writes its state, and turns the written files into a resume point.
    """

    def __init__(self, job: Job, folder: Path, trajectory: SaveTrajectory) -> None:
        self.folder, self.trajectory = folder, trajectory
        self._steps, self._end = frozenset(job.steps), job.steps[-1]
        self._every = job.resume_minutes * 60
        self._kept = 0.0
        self._stop = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._kept = time.monotonic()
        signal.signal(signal.SIGTERM, self._on_signal)

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        due = self._stop or time.monotonic() - self._kept >= self._every
        if state.global_step < self._end and (state.global_step in self._steps or _any_process(due)):
            # Trainers average metrics since the last log; logging at each point keeps a kill from splitting an average.
            control.should_save = control.should_log = True

    def on_save(self, args: TrainingArguments, state: TrainerState, control: Any, **kwargs: Any) -> None:
        stop = _any_process(self._stop)  # this also waits until every process has written its part
        if is_main():
            draft = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            write_point(draft, self.folder, state.global_step, self.trajectory.metrics)
        self._kept = time.monotonic()
        if _any_process(stop):
            log(f"SIGTERM: step {state.global_step} of {self._end} is saved; the next start continues from it")
            raise SystemExit(PREEMPTED)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop = True


def _any_process(flag: bool) -> bool:
    """Whether the flag is set in any process: clocks and signals differ, but all processes must decide the same."""
    if processes() == 1:
        return flag
    device = "cuda" if torch.cuda.is_available() else "cpu"
    raised = torch.tensor(int(flag), device=device)
    torch.distributed.all_reduce(raised, torch.distributed.ReduceOp.MAX)
    return bool(raised.item())
