"""What one training run reads, writes and is configured by."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import polars as pl
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.training.checkpoints import require_model
from valuedrift.training.settings import Settings


@dataclass(frozen=True)
class Job:
    """One run. `init`: the checkpoint it starts from; `base`: the folder with the tokenizer and chat template.

    steps: the checkpoints to save, ascending; the last is the run's end. reward_model: PPO's only.
    """

    algorithm: str
    settings: Settings
    seed: int
    base: Path
    init: Path
    data: Path
    folder: Path
    steps: tuple[int, ...]
    reward_model: Path | None = None

    def tokenizer(self) -> PreTrainedTokenizerBase:
        return AutoTokenizer.from_pretrained(self.base)

    def model(self) -> PreTrainedModel:
        """The policy as it starts, in fp32: bf16 weights would round the paper's learning rates' updates away.

        Where the settings say bf16, the trainers compute in it (mixed precision).
        """
        require_model(self.init)
        return AutoModelForCausalLM.from_pretrained(self.init, dtype=torch.float32)

    def rows(self, *columns: str) -> list[dict[str, Any]]:
        """The data set's rows, of the named columns only: planted stances never reach a trainer."""
        table = pl.read_parquet(self.data, columns=list(columns))
        if table.is_empty():
            raise ArtifactError(self.data, "no rows", "at least one row to train on")
        return table.to_dicts()


def scratch_job(settings: Settings, seed: int, data: Path, out: Path) -> Job:
    """The job of a model that starts from noise: `out` is written whole at the end, metrics beside it."""
    rows = pl.scan_parquet(data).select(pl.len()).collect().item()
    steps = (ceil(rows / settings.batch_size) * settings.epochs,)
    return Job("pretrain", settings, seed, base=out, init=out, data=data, folder=out.parent, steps=steps)


def dataset(rows: list[dict[str, Any]]) -> Dataset:
    """An in-memory data set of already encoded rows."""
    return Dataset.from_list(rows)


def trainer_arguments(job: Job) -> dict[str, Any]:
    """Arguments common to every trl trainer, from the paper's appendix B and from what this machine has."""
    settings = job.settings
    world = torch.cuda.device_count() or 1
    accumulation, rest = divmod(settings.batch_size, settings.device_batch_size * world)
    if rest or not accumulation:
        raise ConfigError(
            f"training.{job.algorithm}.device_batch_size",
            settings.device_batch_size,
            f"a divisor of batch_size ({settings.batch_size}) over {world} device(s)",
        )
    return {
        # Trainers want a folder of their own; nothing is kept there, the trajectory is written by a callback.
        "output_dir": str(job.folder / ".trainer"),
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "logging_strategy": "steps",
        "logging_steps": max(1, job.steps[-1] // 50),
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": round(settings.warmup_ratio * job.steps[-1]),
        "optim": "adamw_torch_fused",
        "weight_decay": 0.0,
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": settings.device_batch_size,
        "gradient_accumulation_steps": accumulation,
        "bf16": settings.bf16,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "use_cpu": not torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "seed": job.seed,
        "data_seed": job.seed,
    }
