"""A run's metrics: gradient norms, token counts, and the table of all logged metrics."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import polars as pl
import torch
from transformers import TrainerCallback, TrainerState

from valuedrift.errors import ArtifactError
from valuedrift.files import write_parquet
from valuedrift.training.devices import processes

SCHEMA = {"step": pl.Int64, "metric": pl.String, "value": pl.Float64}
# Common names for metrics that the trainers name differently.
NAMES = {
    "lr": "learning_rate",
    "loss/policy_avg": "loss",
    "objective/kl": "kl",
    "margin": "reward_margin",
    "rewards/margins": "reward_margin",
}
# Durations and speeds are left out, so that equal runs have equal tables; the log and the benchmarks have them.
# `train_loss` is a mean since the start of the process, which differs in a continued run.
_LEFT_OUT = re.compile(r"eps|train_loss|step_time|.*_per_second|.*_runtime")
Entry = dict[str, Any]


def entry(step: int, logs: Mapping[str, Any]) -> Entry:
    """Return what a trainer logged at a step: `step`, and `logs`, the finite numbers by their common names."""
    numbers = {
        NAMES.get(name, name): float(value)
        for name, value in logs.items()
        if isinstance(value, int | float) and isfinite(value) and not _LEFT_OUT.fullmatch(name)
    }
    return {"step": step, "logs": numbers}


def write_metrics(path: Path, entries: Sequence[Entry]) -> None:
    """Write the logged entries, in their order, as a long table of `step, metric, value`."""
    rows = [
        {"step": entry["step"], "metric": name, "value": value}
        for entry in entries
        for name, value in sorted(entry["logs"].items())
    ]
    write_parquet(path, pl.DataFrame(rows, schema=SCHEMA))


class WatchGradients(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Log the gradient's norm if the trainer does not, and stop before a step whose norm is not finite."""

    def __init__(self, kept: Path) -> None:
        self.kept, self.step, self.norm = kept, 0, float("nan")

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        self.step = state.global_step
        optimizer = kwargs["optimizer"]
        getattr(optimizer, "optimizer", optimizer).register_step_pre_hook(self._before_step)

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        self.step = state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: Entry, **kwargs: Any) -> None:
        if "loss/policy_avg" in logs:
            logs["grad_norm"] = self.norm

    def _before_step(self, optimizer: torch.optim.Optimizer, *unused: Any) -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        self.norm = float(torch.nn.utils.get_total_norm(gradients))
        if not isfinite(self.norm):
            kept = sorted(path.name for path in self.kept.glob("step-*"))
            raise ArtifactError(
                self.kept,
                f"a loss or gradient of {self.norm} at step {self.step + 1}",
                "finite numbers",
                f"Training has stopped; {f'{kept[-1]} is whole' if kept else 'no checkpoint was due yet'}. A lower"
                " learning_rate, a longer warm-up or `bf16: false` can help; so can a look at the rows of that step.",
            )


class CountTokens(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Log `num_tokens`, the tokens trained on since step 0 without padding, and `tokens_per_second`."""

    def __init__(self) -> None:
        self.total = 0.0
        self._new: torch.Tensor | int = 0
        self._since = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        kwargs["model"].register_forward_pre_hook(self._count, with_kwargs=True)
        self._since = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: Entry, **kwargs: Any) -> None:
        new, now = float(self._new) * processes(), time.monotonic()
        self.total += new
        logs["num_tokens"] = self.total
        if new:
            logs["tokens_per_second"] = new / (now - self._since)
        self._new, self._since = 0, now

    def _count(self, model: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if model.training and torch.is_grad_enabled():
            mask = kwargs.get("attention_mask")
            # The sum stays on the device: fetching it at every step would make the device wait.
            self._new = self._new + (kwargs["input_ids"].numel() if mask is None else mask.sum())
