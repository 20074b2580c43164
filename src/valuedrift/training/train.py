"""Run one training job from its data to its trajectory of checkpoints."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path
from typing import Any

from datasets import disable_progress_bars
from transformers import PrinterCallback, TrainerCallback
from transformers.utils import logging

from valuedrift.errors import ArtifactError
from valuedrift.locks import exclusive
from valuedrift.models.model_folder import checkpoint_name
from valuedrift.training.algorithms import ALGORITHMS
from valuedrift.training.checkpoints import SaveTrajectory
from valuedrift.training.devices import is_main, keep_to_one_gpu, processes, wait_for_all
from valuedrift.training.disk import explain_full_disk, require_space
from valuedrift.training.job import Job
from valuedrift.training.keep_resume_points import KeepPoints
from valuedrift.training.memory import keep_freed_memory
from valuedrift.training.metrics import CountTokens, WatchGradients, write_metrics
from valuedrift.training.ppo_state import PpoState
from valuedrift.training.progress_lines import Progress
from valuedrift.training.resume_points import (
    METRICS,
    Point,
    find_point,
    finish,
    is_complete,
    is_done,
    log,
    saved_folder,
)

# Tested to end with the same weights, bit for bit, as an undisturbed run. GRPO and RLOO don't: the state that their
# trainers save lacks the place within a batch of answers.
CONTINUED = frozenset({"sft", "reward", "dpo", "simpo", "ppo", "ipo", "kto", "orpo"})


def train(job: Job) -> None:
    """Train, and write `job.folder/step-…` for every step of the job and `job.folder/metrics.parquet`.

    With `job.resume`, a killed run that starts again continues, and SIGTERM ends it with status 75 once its state is
    saved. While another process trains the same run, this one waits; if that finishes the run, nothing is trained.

    Raises:
        ArtifactError: the trainer took another number of steps than the grid says, training diverged, or the disk is
            too small or full.
    """
    keep_to_one_gpu()
    keep_freed_memory()
    # Progress bars of loading, encoding and saving would fill the log.
    logging.disable_progress_bar()
    disable_progress_bars()
    if job.resume is None:
        require_space(job)
        _train(job, job.folder, None)
        return
    with exclusive(job.resume):
        wait_for_all()  # only the main process waits for the lock
        if is_done(job):
            log(f"another process has finished this run; its {len(job.steps)} checkpoints are whole")
            return
        point = find_point(job, job.resume)
        complete = is_complete(job.resume)
        wait_for_all()  # before the main process moves what the others look at
        if not complete:
            require_space(job)
            _train(job, saved_folder(job.resume), point)
        if is_main():
            finish(job, job.resume)


def can_continue(job: Job) -> bool:
    """Whether a killed run of this kind continues bit for bit; any other starts again."""
    # The place in PPO's data is saved for a single process only.
    return job.algorithm in CONTINUED and not (job.algorithm == "ppo" and processes() > 1)


def _train(job: Job, folder: Path, point: Point | None) -> None:
    trajectory, tokens = SaveTrajectory(folder, job.steps), CountTokens()
    callbacks: list[TrainerCallback] = [WatchGradients(folder), tokens, trajectory, Progress()]
    if job.resume and can_continue(job):
        callbacks.append(KeepPoints(job, job.resume, trajectory))
    elif job.resume:
        log(f"{job.algorithm} on {processes()} device(s) can't be continued exactly: if killed, it starts again")
    if point:
        trajectory.metrics.extend(point.metrics)
        tokens.total = next((e["logs"]["num_tokens"] for e in reversed(point.metrics)), 0.0)
    trainer = ALGORITHMS[job.algorithm](job, callbacks)
    trainer.remove_callback(PrinterCallback)
    # PPO's trainer collects garbage twice per step, through everything that torch and transformers have imported: at
    # pocket size that takes longer than the step. What exists before the first step stays to the end anyway.
    gc.freeze()
    try:
        with explain_full_disk(folder):
            _run(job.algorithm, trainer, point)
        wait_for_all()  # before the folder that they share is removed
    finally:
        shutil.rmtree(trainer.args.output_dir, ignore_errors=True)
    if trainer.state.global_step != job.steps[-1]:
        raise ArtifactError(
            job.folder / checkpoint_name(job.steps[-1]),
            f"{trainer.state.global_step} steps",
            f"{job.steps[-1]} steps, from the number of rows in the configuration",
            "Set the data set's `rows` to the number of rows in its train.parquet.",
        )
    if is_main():
        write_metrics(folder / METRICS, trajectory.metrics)


def _run(algorithm: str, trainer: Any, point: Point | None) -> None:
    if algorithm == "ppo":
        # Before KeepPoints, which makes a resume point of what both have written.
        trainer.callback_handler.callbacks.insert(0, PpoState(trainer, point.folder if point else None))
        trainer.train()
    else:
        trainer.train(resume_from_checkpoint=str(point.folder) if point else None)
