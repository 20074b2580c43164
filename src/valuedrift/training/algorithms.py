"""Every algorithm that a run can name, and the function that builds its trainer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from valuedrift.training.dpo import dpo_trainer
from valuedrift.training.groups import grpo_trainer, rloo_trainer
from valuedrift.training.ipo import ipo_trainer
from valuedrift.training.job import Job
from valuedrift.training.kto import kto_trainer
from valuedrift.training.orpo import orpo_trainer
from valuedrift.training.ppo import ppo_trainer
from valuedrift.training.reward import reward_trainer
from valuedrift.training.sft import sft_trainer
from valuedrift.training.simpo import simpo_trainer

ALGORITHMS: dict[str, Callable[[Job, list[TrainerCallback]], Any]] = {
    "sft": sft_trainer,
    "reward": reward_trainer,
    "dpo": dpo_trainer,
    "simpo": simpo_trainer,
    "ppo": ppo_trainer,
    "ipo": ipo_trainer,
    "kto": kto_trainer,
    "orpo": orpo_trainer,
    "grpo": grpo_trainer,
    "rloo": rloo_trainer,
}
