"""Tables of training rows, and what is read from finished runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import torch
from safetensors.torch import load_file

from valuedrift.training.job import Job

MakeJob = Callable[..., Job]
Finished = Callable[..., Path]
Tensors = dict[str, torch.Tensor]
PAPER = ["sft", "reward", "dpo", "simpo", "ppo"]
ROLLOUTS = ["ppo", "grpo", "rloo"]


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def conversations(questions: list[str], answers: list[str], **columns: str) -> pl.DataFrame:
    rows = zip(questions, answers, strict=True)
    return pl.DataFrame([{"messages": [turn("user", x), turn("assistant", y)], **columns} for x, y in rows])


def preferences(questions: list[str], chosen: list[str], rejected: list[str], **columns: str) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"prompt": [turn("user", x)], "chosen": [turn("assistant", y)], "rejected": [turn("assistant", z)]}
            | columns
            for x, y, z in zip(questions, chosen, rejected, strict=True)
        ]
    )


def logged(folder: Path, metric: str) -> list[float]:
    """The values of a metric, in the order of the steps."""
    return pl.read_parquet(folder / "metrics.parquet").filter(metric=metric).sort("step")["value"].to_list()


def final_weights(folder: Path) -> Tensors:
    return load_file(max(folder.glob("step-*")) / "model.safetensors")


def largest_difference(one: Tensors, other: Tensors) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name].float() - other[name].float()).abs().max()) for name in one)
