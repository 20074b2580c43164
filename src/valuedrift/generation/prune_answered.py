"""Let the weights of checkpoints go that have answered already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import torch

from valuedrift.errors import ArtifactError
from valuedrift.generation.checkpoint_weights import Architecture, read_checkpoint
from valuedrift.models.kept_steps import kept_steps, prune
from valuedrift.models.model_folder import PRUNED, step_of


def thin(base: Path, checkpoints: Sequence[Path], answers: Sequence[Path], keep: str, nth: int = 1) -> int:
    """Remove the weights of a run's checkpoints that `keep` lets go; gives the bytes that were freed.

    checkpoints: all of the run. answers: its files of answers. Raises ArtifactError, before anything goes, where one of
    those that would go has not answered.
    """
    engines = _engines(answers)
    folders = {step_of(folder): folder for folder in checkpoints}
    going = sorted(folders.keys() - kept_steps(sorted(folders), keep, nth))
    for step in going:
        if step not in engines:
            raise ArtifactError(
                folders[step], "no answers of it", "answers in the files that are given", "Let it answer first."
            )
    architecture = Architecture.of(base)
    return sum(_prune(folders[step], architecture, engines[step]) for step in going)


def _prune(folder: Path, architecture: Architecture, engine: str) -> int:
    if (folder / PRUNED).is_file():
        return 0
    precision: torch.dtype = getattr(torch, engine.rpartition(" ")[2])
    return prune(folder, {engine: read_checkpoint(folder, architecture, precision).identity})


def _engines(answers: Sequence[Path]) -> dict[int, str]:
    """The engine that each step's answers came from, by the files' metadata."""
    return {
        step: pl.read_parquet_metadata(file)["engine"]
        for file in answers
        for step in pl.read_parquet(file, columns=["step"])["step"].unique()
    }
