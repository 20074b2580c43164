"""The inputs, outputs and settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import polars as pl
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from valuedrift.config.hyperparameters import Settings
from valuedrift.models.chat_template import require_chat
from valuedrift.models.model_folder import require_model
from valuedrift.models.weights import load_model
from valuedrift.trackers import set_up
from valuedrift.training.devices import processes, shared_dataset
from valuedrift.training.inputs import read_columns, require_same_model
from valuedrift.training.launch import accumulation


@dataclass(frozen=True)
class Job:
    """One training run.

    Attributes:
        base: the folder with the tokenizer and chat template.
        init: the starting checkpoint.
        folder: where its checkpoints and metrics are written.
        steps: the steps whose checkpoints are saved, ascending; the last is the run's last step.
        reward_model: for PPO, GRPO and RLOO.
        resume: a folder, outside `folder`, for the state from which a killed run continues; without it, the run starts
            again.
        resume_minutes: minutes between two saved states; the state is also saved at every checkpoint.
        report_to: `tensorboard` or `wandb` or both, in addition to the metrics that every run writes.
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
    resume: Path | None = None
    resume_minutes: float = 30
    report_to: tuple[str, ...] = ()

    @property
    def scratch(self) -> Path:
        """The folder for files that trainers write on their own; it is removed when the run ends."""
        return (self.resume or self.folder) / ".trainer"

    def tokenizer(self) -> PreTrainedTokenizerBase:
        require_model(self.base)
        tokenizer = AutoTokenizer.from_pretrained(self.base)
        require_chat(tokenizer, self.base)
        return tokenizer

    def model(self) -> PreTrainedModel:
        """Load the starting checkpoint in fp32: with learning rates as small as the paper's, bf16 would lose updates.

        If the settings say bf16, the trainers compute in bf16 (mixed precision).
        """
        require_same_model(self.init, self.base)
        return self.load(self.init, torch.float32)

    def load(self, folder: Path, dtype: torch.dtype, auto: Any = AutoModelForCausalLM, **how: Any) -> PreTrainedModel:
        """Load any of the run's models as `load_model` does, with the attention that is fast where the run computes."""
        model = load_model(folder, dtype, auto, **how)
        if self.settings.bf16 and not torch.cuda.is_available():
            # torch's fused attention is slow in bf16 on CPUs: with it, a step of SmolLM2 took 1.4 times as long.
            model.set_attn_implementation("eager")
        return model

    def rows(self, *columns: str) -> list[dict[str, Any]]:
        """Return the data set's rows with the named columns only, so that trainers never read planted stances."""
        return read_columns(self.data, columns).to_dicts()


def scratch_job(settings: Settings, seed: int, data: Path, out: Path) -> Job:
    """Return the job of a model that starts from random weights; it ends with `out` and the metrics beside it."""
    rows = pl.scan_parquet(data).select(pl.len()).collect().item()
    steps = (ceil(rows / settings.batch_size) * settings.epochs,)
    return Job("pretrain", settings, seed, base=out, init=out, data=data, folder=out.parent, steps=steps)


def dataset(job: Job, rows: list[dict[str, Any]]) -> Dataset:
    """Return a data set of encoded rows, in memory, or on disk if the run has several processes."""
    return shared_dataset(rows, job.scratch / "data")


def trainer_arguments(job: Job) -> dict[str, Any]:
    """Return the arguments common to all trl trainers, from the paper's appendix B and this machine's devices."""
    settings = job.settings
    set_up(job.report_to, job.folder / "logs")
    return {
        # Trainers need a folder, but nothing in it is kept: a callback writes the checkpoints.
        "output_dir": str(job.scratch),
        "save_strategy": "no",
        "report_to": list(job.report_to),
        # By default, trainers log the average of earlier losses in place of a loss that is not a number.
        "logging_nan_inf_filter": False,
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
        "gradient_accumulation_steps": accumulation(
            job.algorithm, settings.batch_size, settings.device_batch_size, processes()
        ),
        "bf16": settings.bf16,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "use_cpu": not torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "seed": job.seed,
        "data_seed": job.seed,
    }
