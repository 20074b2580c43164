"""Runs on several devices: their processes, divided weights and shared data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from datasets import Dataset, load_from_disk
from torch.distributed.tensor import DTensor


def processes() -> int:
    """Return the number of the run's processes, one per device; 1 without `accelerate launch` or `torchrun`."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this process writes the run's files."""
    return int(os.environ.get("RANK", "0")) == 0


def is_divided() -> bool:
    """Whether the run's weights are divided over its devices (FSDP)."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def keep_to_one_gpu() -> None:
    """Hide all GPUs but the first from a run of a single process.

    Otherwise trainers would use all visible GPUs, and the effective batch size would grow with their number.
    """
    if processes() == 1:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[0]


def gather_full_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Gather weights that are divided over devices (FSDP). Every process must call it.

    Tensors are gathered one at a time into the main process's memory. Tied weights (embeddings and output layer) stay
    one tensor.

    Returns:
        All weights in the main process, an empty dictionary in the others.
    """
    gathered: dict[str, torch.Tensor] = {}
    seen: dict[tuple[int, torch.Size], torch.Tensor] = {}
    for name, tensor in state.items():
        full = held = tensor
        if isinstance(tensor, DTensor):
            full, held = tensor.full_tensor(), tensor.to_local()
        if is_main():
            gathered[name] = seen.setdefault((held.data_ptr(), tensor.shape), full.detach().cpu())
    return gathered


def wait_for_all() -> None:
    """Wait until every process of the run has reached this call."""
    if processes() > 1:
        PartialState().wait_for_everyone()


def shared_dataset(rows: list[dict[str, Any]], folder: Path) -> Dataset:
    """Make a data set of encoded rows; if the run has several processes, on disk, where all of them read it.

    The main process then makes what trainers derive from it, such as tokens, and the others read that from disk.

    Args:
        folder: where the data set is saved if there are several processes.
    """
    if processes() == 1:
        return Dataset.from_list(rows)
    with PartialState().main_process_first():
        if is_main():
            Dataset.from_list(rows).save_to_disk(folder)
        return load_from_disk(folder)
