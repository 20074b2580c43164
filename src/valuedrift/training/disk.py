"""Disk space: how much a run needs, and a clear error when the disk is full."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from valuedrift.config.hyperparameters import Lora
from valuedrift.errors import ArtifactError
from valuedrift.files import is_full
from valuedrift.models.model_folder import require_model, tensor_shapes
from valuedrift.quantities import byte_size
from valuedrift.training.devices import processes
from valuedrift.training.job import Job

_FLOAT = 4  # bytes: weights are trained and saved in fp32


@dataclass(frozen=True)
class Need:
    """Bytes that a run writes: checkpoints, and two resume points: the old one stays while a new one is written."""

    checkpoints: int
    checkpoint: int
    point: int

    @property
    def total(self) -> int:
        return self.checkpoints * self.checkpoint + 2 * self.point

    def __str__(self) -> str:
        points = f" + 2 × {byte_size(self.point)} to continue from" if self.point else ""
        return f"{byte_size(self.total)} of disk: {self.checkpoints} checkpoints × {byte_size(self.checkpoint)}{points}"


def predict(job: Job) -> Need:
    """Return the most disk space that a run will need, from the tensor shapes of its starting checkpoint.

    A resume point holds the trained weights and Adam's two moments, of the policy and, for PPO, of the value model.
    """
    require_model(job.init)
    weights = tensor_shapes(job.init)
    parameters = sum(map(math.prod, weights.values()))
    point = 0
    if job.resume:
        # With FSDP, trainers save the weights a second time, in FSDP's format.
        copies = 3 if processes() == 1 else 4
        point = copies * _FLOAT * (_adapters(weights, job.settings.lora) if job.settings.lora else parameters)
        if job.reward_model and job.algorithm == "ppo":
            require_model(job.reward_model)
            point += 3 * _FLOAT * sum(map(math.prod, tensor_shapes(job.reward_model).values()))
    return Need(len(job.steps), parameters * _FLOAT, point)


def require_space(job: Job) -> None:
    """Print how much disk the run will need; raise ArtifactError if free space and the run's own files are less."""
    need = predict(job)
    folder = job.resume or job.folder
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if job.resume else 0
    print(f"disk: this run needs {need}; {byte_size(free)} free", file=sys.stderr, flush=True)
    if free + used < need.total:
        raise ArtifactError(
            folder,
            f"{byte_size(free)} free",
            f"at least {byte_size(need.total - used)}",
            "Free space, save fewer checkpoints, or delete those of finished runs (`machine.keep`).",
        )


@contextmanager
def explain_full_disk(folder: Path) -> Iterator[None]:
    """Turn errors of a full disk into an ArtifactError that names the newest whole checkpoint and says what to do."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        if not is_full(error):
            raise
        kept = sorted(path.name for path in folder.glob("step-*"))
        raise ArtifactError(
            folder,
            str(error).splitlines()[0],
            "room for the next checkpoint",
            f"The disk or a quota is full. {kept[-1] if kept else 'No checkpoint'} is the newest that was saved, and"
            " whole. Free space and run again.",
        ) from error


def _adapters(weights: dict[str, tuple[int, ...]], lora: Lora) -> int:
    """Return the number of parameters in the adapters of all targets: A (rank × in) and B (out × rank)."""
    targets = tuple(f".{target}.weight" for target in lora.targets)
    return sum(lora.rank * sum(shape) for name, shape in weights.items() if name.endswith(targets))
