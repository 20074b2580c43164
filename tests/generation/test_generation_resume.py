"""A sweep that is killed, at any moment and again and again, ends with the file of an undisturbed one."""

from __future__ import annotations

import multiprocessing
import random
import shutil
from pathlib import Path

import pytest

from valuedrift.config.sampling import Sampling
from valuedrift.config.sources import Shape
from valuedrift.generation.sweep import sweep
from valuedrift.training.pretrain import new_model

SAMPLING = Sampling(answers=3, temperature=0.9, max_tokens=16, batch_size=9, seed=0)
KILLS = 12


@pytest.fixture
def trajectory(base: Path, tokenizer: object, tmp_path: Path) -> list[Path]:
    folders = [tmp_path / "run" / f"step-{step:06d}" for step in range(1, 9)]
    for seed, folder in enumerate(folders):
        new_model(Shape(vocabulary=300, hidden=16, layers=1, heads=2, context=256), tokenizer, seed).save_pretrained(
            folder
        )
    return folders


def test_a_killed_sweep_continues_to_the_same_file(
    base: Path, trajectory: list[Path], probes: Path, tmp_path: Path
) -> None:
    # Processes are forked from one that has imported everything: what is killed is the sweep, not its imports.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["valuedrift.generation.sweep", "valuedrift.generation.transformers_engine"])
    chance, kills = random.Random(0), 0

    def start(folder: Path) -> multiprocessing.process.BaseProcess:
        files = (base, trajectory, probes, SAMPLING, folder / "answers.parquet", folder / "store")
        process = context.Process(target=sweep, args=("pocket", "sft-x", *files, "transformers"))
        process.start()
        return process

    start(tmp_path / "whole").join()
    expected = (tmp_path / "whole" / "answers.parquet").read_bytes()
    folder = tmp_path / "killed"

    def stored() -> int:
        return len(list((folder / "store").glob("[!.]*")))

    while kills < KILLS:
        before, process = stored(), start(folder)
        while process.is_alive() and stored() == before:
            process.join(0.001)
        process.join(chance.uniform(0, 0.05))  # at another point of its way each time
        process.kill()
        process.join()
        kills += process.exitcode == -9
        if process.exitcode == 0:
            assert (folder / "answers.parquet").read_bytes() == expected
            shutil.rmtree(folder)
    start(folder).join()
    assert (folder / "answers.parquet").read_bytes() == expected
