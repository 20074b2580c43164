"""Weights are deleted once their answers are saved: the answers stay, and requests for more say what is missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from valuedrift.config.sampling import Sampling
from valuedrift.errors import ArtifactError
from valuedrift.generation.prune_command import prune_run
from valuedrift.generation.sweep import sweep

Sweep = Callable[..., bytes]


@pytest.fixture
def run(checkpoints: list[Path], tmp_path: Path) -> list[Path]:
    """A copy of the checkpoints (2, 4 and 6), whose weights may be deleted."""
    return [Path(shutil.copytree(folder, tmp_path / "run" / folder.name)) for folder in checkpoints]


@pytest.fixture
def ask(base: Path, run: list[Path], probes: Path, tmp_path: Path) -> Sweep:
    """Sweep the run; gives the file of answers."""

    def asked(prune_steps: tuple[int, ...] = (), answers: int = 2) -> bytes:
        sampling = Sampling(answers=answers, temperature=0.9, max_tokens=6, batch_size=9, seed=0)
        out = tmp_path / "answers.parquet"
        sweep("pocket", "sft-x", base, run, probes, sampling, out, tmp_path / "store", "transformers", prune_steps)
        return out.read_bytes()

    return asked


def with_weights(run: list[Path]) -> list[str]:
    return [folder.name for folder in run if (folder / "model.safetensors").exists()]


def test_weights_are_deleted_when_answers_are_written_and_answers_stay(ask: Sweep, run: list[Path]) -> None:
    whole = ask()
    assert len(with_weights(run)) == 3
    assert ask(prune_steps=(2, 4)) == whole
    assert with_weights(run) == ["step-000006"]
    assert ask(prune_steps=(2, 4)) == whole, "as after a run whose outputs were lost"


def test_more_answers_of_deleted_weights_are_refused_with_the_reason(ask: Sweep) -> None:
    ask(prune_steps=(2,))
    with pytest.raises(ArtifactError, match=r"step-000002: found 'a checkpoint without its weights.*machine\.keep"):
        ask(answers=3)


def test_weights_stay_if_answers_could_not_be_written(ask: Sweep, run: list[Path]) -> None:
    (run[2] / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ArtifactError, match="step-000006"):
        ask(prune_steps=(2, 4))
    assert len(with_weights(run)) == 3


def test_a_finished_run_is_pruned_by_command_to_the_same_end(
    ask: Sweep, base: Path, run: list[Path], tmp_path: Path
) -> None:
    whole = ask()
    weights = (run[0] / "model.safetensors").stat().st_size
    files = [tmp_path / "answers.parquet"]
    assert prune_run(base, run, files, "all") == 0
    assert prune_run(base, run, files, "every_nth", 2) == weights
    assert with_weights(run) == ["step-000004", "step-000006"]
    assert prune_run(base, run, files, "final") == weights
    assert prune_run(base, run, files, "final") == 0
    assert ask() == whole


def test_nothing_is_deleted_if_a_checkpoint_has_no_answers(
    ask: Sweep, base: Path, run: list[Path], tmp_path: Path
) -> None:
    ask()
    table = pl.read_parquet(tmp_path / "answers.parquet").filter(pl.col("step") != 4)
    table.write_parquet(tmp_path / "some.parquet", metadata={"engine": "transformers float32"})
    with pytest.raises(ArtifactError, match=r"step-000004: found 'no answers of it'"):
        prune_run(base, run, [tmp_path / "some.parquet"], "final")
    pl.read_parquet(tmp_path / "answers.parquet").write_parquet(tmp_path / "others.parquet")  # not as they were written
    with pytest.raises(ArtifactError, match="found 'no answers of it'"):
        prune_run(base, run, [tmp_path / "others.parquet"], "final")
    assert len(with_weights(run)) == 3
