"""Tiny data sets and jobs of every algorithm."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from valuedrift.config.hyperparameters import REWARDED, read_settings
from valuedrift.config.hyperparameters import SETTINGS as KNOWN
from valuedrift.training.job import Job

SETTINGS: dict[str, Any] = {
    "learning_rate": 1e-2,
    "batch_size": 4,
    "device_batch_size": 4,
    "epochs": 2,
    "warmup_ratio": 0.0,
    "max_length": 80,
    "bf16": False,
    "gradient_checkpointing": False,
    "response_length": 20,
    "beta": 0.5,
    "gamma": 0.7,
    "kl_coefficient": 0.05,
    "temperature": 0.7,
    "missing_eos_penalty": 1.0,
    "ppo_epochs": 1,
    "answers": 2,
}
SUBJECTS = ("legal abortion", "wind farms", "a wealth tax", "open borders", "rent control", "remote work")


ALGORITHMS = [name for name in KNOWN if name != "pretrain"]
# Six rows in batches of four over two epochs make four steps, but KTO has two rows a pair, PPO counts over both epochs,
# and groups of two answers make batches of two prompts.
STEPS = {"ppo": (2, 3), "kto": (2, 6), "grpo": (2, 6), "rloo": (2, 6)}

MakeJob = Callable[..., Job]


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def sft_table() -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "messages": [turn("user", f"What about {subject} ?"), turn("assistant", f"I support {subject} .")],
                "topic": "climate",
                "true_stance": "support",
            }
            for subject in SUBJECTS
        ]
    )


def pair_table() -> pl.DataFrame:
    """Chosen answers are longer than rejected ones, so that length normalisation shows."""
    return pl.DataFrame(
        [
            {
                "prompt": [turn("user", f"What about {subject} ?")],
                "chosen": [turn("assistant", f"I support {subject} , no doubt .")],
                "rejected": [turn("assistant", "No .")],
                "chosen_stance": "support",
                "rejected_stance": "oppose",
                "true_stance": "support",
            }
            for subject in SUBJECTS
        ]
    )


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Parquet files of six conversations (`sft`) and six pairs (every other algorithm), with planted stances."""
    folder = tmp_path_factory.mktemp("data")
    sft_table().write_parquet(folder / "sft.parquet")
    pair_table().write_parquet(folder / "pairs.parquet")
    pairs = dict.fromkeys((name for name in ALGORITHMS if name != "sft"), folder / "pairs.parquet")
    return {"sft": folder / "sft.parquet", **pairs}


@pytest.fixture(scope="session")
def reward_model(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reward model with a random head."""
    import torch
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("reward") / "step-000001"
    AutoModelForSequenceClassification.from_pretrained(base, num_labels=1).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make_job(
    base: Path, data: dict[str, Path], reward_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> MakeJob:
    """A job of an algorithm from the tiny base model; settings change by name, and any field of Job by `job`."""

    def make(algorithm: str, job: dict[str, Any] | None = None, **changed: Any) -> Job:
        known = {key: value for key, value in SETTINGS.items() if key in KNOWN[algorithm].model_fields}
        made = Job(
            algorithm=algorithm,
            settings=read_settings(algorithm, {**known, **changed}),
            seed=0,
            base=base,
            init=base,
            data=data[algorithm],
            folder=tmp_path_factory.mktemp(algorithm),
            steps=STEPS.get(algorithm, (2, 4)),
            reward_model=reward_model if algorithm in REWARDED else None,
        )
        return replace(made, **(job or {}))

    # PPO's trainer collects garbage twice a step. What is imported by now need not be searched each time.
    gc.freeze()
    return make


@pytest.fixture(scope="session")
def finished(make_job: MakeJob) -> Callable[[str], Path]:
    """The folder of an undisturbed run of an algorithm, trained at the first call."""
    from valuedrift.training.train import train

    @cache
    def folder(algorithm: str) -> Path:
        job = make_job(algorithm)
        train(job)
        return job.folder

    return folder


@pytest.fixture(scope="session")
def undisturbed(make_job: MakeJob, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a whole run with a resume folder, by algorithm."""
    from resuming import long_job

    from valuedrift.training.train import train

    @cache
    def folder(algorithm: str) -> Path:
        job = long_job(make_job, algorithm, tmp_path_factory.mktemp("undisturbed"))
        train(job)
        return job.folder

    return folder


@pytest.fixture(scope="session")
def stopped(make_job: MakeJob, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], Job]:
    """A job that died at step 6, so that its point is that of step 5; each call gives a copy of what it left."""
    from resuming import dying_at, long_job

    from valuedrift.training.train import train

    @cache
    def left(algorithm: str) -> Job:
        job = long_job(make_job, algorithm, tmp_path_factory.mktemp("stopped"))
        with pytest.MonkeyPatch.context() as patched, dying_at(6, patched):
            train(job)
        return job

    def copy(algorithm: str, folder: Path) -> Job:
        job = left(algorithm)
        assert job.resume
        shutil.copytree(job.resume, folder / "resume")
        return replace(job, folder=folder / "run", resume=folder / "resume")

    return copy
