"""What tests of killed runs share: a run of twelve steps, how it dies, and what it leaves."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from training_rows import MakeJob
from transformers import TrainerCallback

from valuedrift.training import train as training
from valuedrift.training.job import Job
from valuedrift.training.train import train

# A server that has imported everything once; its children are processes of their own, which can be killed.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["valuedrift.training.train"])


class Killed(BaseException):
    """What the tests stop a run with in its own process; nothing catches it."""


def weights(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in sorted(folder.glob("step-*/model.safetensors"))}


def measured(folder: Path) -> list[tuple[Any, ...]]:
    return pl.read_parquet(folder / "metrics.parquet").rows()


def points(job: Job) -> list[str]:
    assert job.resume
    return sorted(path.name for path in job.resume.glob("point-*"))


@contextmanager
def dying_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs of this process end at a step, without any tidying up but Python's own."""

    class Die(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == step:
                raise Killed

    with monkeypatch.context() as patched:
        build = training.ALGORITHMS.copy()
        for name in build:
            patched.setitem(training.ALGORITHMS, name, lambda job, calls, name=name: build[name](job, [*calls, Die()]))
        with suppress(Killed):
            yield


EPOCHS: dict[str, dict[str, int]] = {
    "ppo": {"epochs": 4, "batch_size": 2, "device_batch_size": 1},
    "kto": {"epochs": 4, "device_batch_size": 2},
    "grpo": {"epochs": 4, "device_batch_size": 2},
}


def long_job(make_job: MakeJob, algorithm: str, folder: Path, **changed: Any) -> Job:
    """Twelve steps of two forward passes each; an epoch has three of them for PPO and KTO, two for the others."""
    steps = (2, 5, 9, 12)
    return make_job(
        algorithm,
        job={"steps": steps, "resume": folder / "resume" / "sft-a" / algorithm, "folder": folder / "run"},
        warmup_ratio=0.25,
        **EPOCHS.get(algorithm, {"epochs": 6, "device_batch_size": 2}),
        **changed,
    )


def started(job: Job) -> BaseProcess:
    process = PROCESSES.Process(target=train, args=(job,))
    process.start()
    return process


def wait_for(condition: Callable[[], bool], process: BaseProcess) -> None:
    end = time.monotonic() + 60
    while not condition() and process.is_alive():
        assert time.monotonic() < end
        time.sleep(0.002)
