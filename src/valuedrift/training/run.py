"""Run one training job from its data to its trajectory of checkpoints."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from valuedrift.errors import ArtifactError
from valuedrift.training.checkpoints import SaveTrajectory, checkpoint_name
from valuedrift.training.dpo import dpo_trainer
from valuedrift.training.job import Job
from valuedrift.training.ppo import ppo_trainer
from valuedrift.training.reward import reward_trainer
from valuedrift.training.sft import sft_trainer
from valuedrift.training.simpo import simpo_trainer

TRAINERS: dict[str, Callable[[Job, list[TrainerCallback]], Any]] = {
    "sft": sft_trainer,
    "reward": reward_trainer,
    "dpo": dpo_trainer,
    "simpo": simpo_trainer,
    "ppo": ppo_trainer,
}


def train(job: Job) -> None:
    """Train, and leave `job.folder/step-…` for every step of the job and `job.folder/metrics.parquet`.

    Raises ArtifactError when the trainer took another number of steps than the grid says.
    """
    trajectory = SaveTrajectory(job.folder, job.steps)
    trainer = TRAINERS[job.algorithm](job, [trajectory])
    # PPO's trainer collects garbage twice a step, each time through all that torch and transformers have imported: at
    # pocket size that takes longer than the step. What is there before the first step stays to the end anyway.
    gc.freeze()
    trainer.train()
    if trainer.state.global_step != job.steps[-1]:
        raise ArtifactError(
            job.folder / checkpoint_name(job.steps[-1]),
            f"{trainer.state.global_step} steps",
            f"{job.steps[-1]} steps, from the number of rows in the configuration",
            "Set the data set's `rows` to the number of rows in its train.parquet.",
        )
    trajectory.write_metrics(job.folder / "metrics.parquet")
