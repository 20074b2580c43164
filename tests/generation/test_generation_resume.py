"""A sweep that is killed, at any moment and again and again, ends with the file of an undisturbed one."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import time
from pathlib import Path

import pytest
import torch

from valuedrift.config.sampling import Sampling
from valuedrift.config.sources import Shape
from valuedrift.generation.sweep import sweep
from valuedrift.training.pretrain import new_model

SAMPLING = Sampling(answers=3, temperature=0.9, max_tokens=16, batch_size=9, seed=0)
KILLS = 12


def run(base: Path, checkpoints: list[Path], probes: Path, folder: Path) -> None:
    torch.set_num_threads(1)
    files = (probes, SAMPLING, folder / "answers.parquet", folder / "store")
    sweep("pocket", "sft-x", base, checkpoints, *files, engine="transformers")


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
    chance, rounds, kills, stages = random.Random(0), 0, 0, set()

    def start(folder: Path) -> multiprocessing.process.BaseProcess:
        process = context.Process(target=run, args=(base, trajectory, probes, folder))
        process.start()
        return process

    start(tmp_path / "warm").join()
    began = time.monotonic()
    start(tmp_path / "whole").join()
    duration = time.monotonic() - began
    expected = (tmp_path / "whole" / "answers.parquet").read_bytes()
    folder = tmp_path / "killed"
    while kills < KILLS:
        process = start(folder)
        process.join(chance.uniform(0.1, 0.9) * duration)
        if process.is_alive():
            process.kill()
            process.join()
            kills += process.exitcode == -9
            stages.add(len(list((folder / "store").glob("[!.]*"))))
        if process.exitcode == 0:
            assert (folder / "answers.parquet").read_bytes() == expected
            rounds += 1
            shutil.rmtree(folder)
    process = start(folder)
    process.join()
    assert process.exitcode == 0
    assert (folder / "answers.parquet").read_bytes() == expected
    # Kills met sweeps at more than one point of their way.
    assert len(stages) > 2, stages
