"""Delete the weights of checkpoints whose answers are saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import torch

from valuedrift.errors import ArtifactError
from valuedrift.files import PRUNED
from valuedrift.models.architecture import Architecture
from valuedrift.models.model_folder import step_of
from valuedrift.models.prune_weights import kept_steps, prune_weights
from valuedrift.models.weights import read_checkpoint


def prune_run(base: Path, checkpoints: Sequence[Path], answers: Sequence[Path], keep: str, nth: int = 1) -> int:
    """Delete the weights of a run's checkpoints, except those of the steps that `keep` selects.

    Args:
        base: The base model's folder.
        checkpoints: All checkpoints of the run.
        answers: The run's files of answers.
        keep: A policy of `kept_steps`.
        nth: With `every_nth`, keep each nth checkpoint.

    Returns:
        Freed bytes.

    Raises:
        ArtifactError: A checkpoint to prune has no answers. Nothing was deleted.
    """
    engines = _engines(answers)
    folders = {step_of(folder): folder for folder in checkpoints}
    pruned = sorted(folders.keys() - kept_steps(sorted(folders), keep, nth))
    for step in pruned:
        if step not in engines:
            raise ArtifactError(
                folders[step], "no answers of it", "answers in the given files", "Generate its answers first."
            )
    architecture = Architecture.of(base)
    return sum(_prune(folders[step], architecture, engines[step]) for step in pruned)


def _prune(folder: Path, architecture: Architecture, engine: str) -> int:
    if (folder / PRUNED).is_file():
        return 0
    precision: torch.dtype = getattr(torch, engine.rpartition(" ")[2])
    return prune_weights(folder, {engine: read_checkpoint(folder, architecture, precision).identity})


def _engines(answers: Sequence[Path]) -> dict[int, str]:
    """Return the engine that answered, for each step, from the files' metadata; files without it aren't answers."""
    return {
        step: engine
        for file in answers
        if (engine := pl.read_parquet_metadata(file).get("engine"))
        for step in pl.read_parquet(file, columns=["step"])["step"].unique()
    }
