"""Save the weights of chosen steps while a trainer runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import polars as pl
from safetensors import SafetensorError, safe_open
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from valuedrift.errors import ArtifactError
from valuedrift.files import publish, write_parquet


def checkpoint_name(step: int) -> str:
    """The folder of a step's weights, such as `step-000100`."""
    return f"step-{step:06d}"


def save_weights(model: PreTrainedModel, folder: Path) -> None:
    """Write configuration and weights (safetensors) of a model as one folder that appears whole or not at all."""
    with publish(folder) as draft:
        model.save_pretrained(draft, safe_serialization=True)


class SaveTrajectory(TrainerCallback):  # type: ignore[misc]  # transformers ships no types
    """Save the policy's weights at the given steps as `folder/step-000100`, and remember every logged metric."""

    def __init__(self, folder: Path, steps: Collection[int]) -> None:
        self.folder, self.steps = folder, frozenset(steps)
        self.metrics: list[dict[str, Any]] = []

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step in self.steps:
            model = kwargs["model"]
            # PPO trains policy and value model as one wrapper; only the policy is a checkpoint.
            save_weights(getattr(model, "policy", model), self.folder / checkpoint_name(state.global_step))

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # Trainers make a folder for themselves, in which nothing is kept.
        shutil.rmtree(args.output_dir, ignore_errors=True)

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any], **kwargs: Any
    ) -> None:
        self.metrics.append({"step": state.global_step, "logs": dict(logs)})

    def write_metrics(self, path: Path) -> None:
        """Long table `step, metric, value` of everything numeric that the trainer logged."""
        rows = [
            {"step": entry["step"], "metric": name, "value": float(value)}
            for entry in self.metrics
            for name, value in sorted(entry["logs"].items())
            if isinstance(value, int | float)
        ]
        write_parquet(path, pl.DataFrame(rows, schema={"step": pl.Int64, "metric": pl.String, "value": pl.Float64}))


def require_model(folder: Path) -> None:
    """Raise ArtifactError unless `folder` holds a model's configuration and safetensors, none of them cut short."""
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        found = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else "nothing"
        raise ArtifactError(
            folder, found, "config.json and *.safetensors", "Remove the folder and run the target again."
        )
    try:
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(folder / "config.json", str(error), "JSON", "Remove the folder and run again.") from error
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt"):
                pass
        except SafetensorError as error:
            raise ArtifactError(file, str(error), "a whole safetensors file", "Remove it and run again.") from error


def step_of(folder: Path) -> int:
    """The step that a checkpoint's folder is named after; raises ArtifactError for any other name."""
    name, _, number = folder.name.partition("-")
    if name != "step" or not number.isdigit():
        raise ArtifactError(folder, folder.name, "a folder named like step-000100")
    return int(number)
