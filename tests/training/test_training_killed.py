"""Processes that are killed from outside, or told to end."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from resuming import long_job, points, started, wait_for, weights
from training_rows import PAPER, MakeJob

from valuedrift.training.train import train


@pytest.mark.parametrize("algorithm", ["dpo", "ppo"])
def test_a_process_killed_at_once_continues_in_another(
    make_job: MakeJob, undisturbed: Callable[..., Path], tmp_path: Path, algorithm: str
) -> None:
    job = replace(long_job(make_job, algorithm, tmp_path), resume_minutes=0)
    process = started(job)
    wait_for(lambda: bool(points(job)), process)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    again = started(job)
    again.join()
    assert again.exitcode == 0
    assert weights(job.folder) == weights(undisturbed(algorithm))


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", PAPER)
def test_six_kills_at_random_moments_leave_no_trace(make_job: MakeJob, tmp_path: Path, algorithm: str) -> None:
    """Thirty kills over the algorithms; a checkpoint is due at every fourth step, a point at every second or so."""
    count = 60
    settings = {"epochs": 20, "batch_size": 2, "device_batch_size": 1}
    steps = tuple(range(4, count + 1, 4))
    whole = make_job(algorithm, job={"steps": steps, "folder": tmp_path / "whole"}, **settings)
    for _ in range(2):  # the first call also starts the server
        begun = time.monotonic()
        started(whole).join()
        seconds = time.monotonic() - begun
    job = replace(whole, folder=tmp_path / "run", resume=tmp_path / "resume", resume_minutes=0.001)
    kills, continued = 0, 0
    chance = random.Random(algorithm)
    while kills < 6:
        continued += bool(points(job))
        process = started(job)
        process.join(chance.uniform(0.2, 0.9) * seconds)
        process.kill()
        process.join()
        if process.exitcode == 0:  # done before the kill came: begin once more
            assert weights(job.folder) == weights(whole.folder)
            shutil.rmtree(job.folder)
        else:
            assert process.exitcode == -signal.SIGKILL
            kills += 1
    last = started(job)
    last.join()
    assert last.exitcode == 0
    assert weights(job.folder) == weights(whole.folder)
    assert len(weights(job.folder)) == len(steps)
    assert continued


@pytest.mark.parametrize("algorithm", ["sft", "ppo"])
def test_sigterm_keeps_the_state_and_ends_with_a_status_of_its_own(
    make_job: MakeJob, undisturbed: Callable[..., Path], tmp_path: Path, algorithm: str
) -> None:
    """Slurm announces the end of a job's time so."""
    job = long_job(make_job, algorithm, tmp_path)
    process = started(job)
    wait_for(lambda: bool(points(job)), process)  # the first checkpoint's; a later one shows that the signal made it
    assert process.pid
    os.kill(process.pid, signal.SIGTERM)
    process.join()
    if process.exitcode == 0:
        pytest.skip("the run ended before the signal came")
    assert process.exitcode == 75
    assert points(job)
    train(job)
    assert weights(job.folder) == weights(undisturbed(algorithm))
