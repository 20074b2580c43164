"""Tiny data sets and jobs of every algorithm."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from training_rows import conversations, preferences

from valuedrift.config.hyperparameters import REWARDED, read_settings
from valuedrift.config.hyperparameters import SETTINGS as KNOWN
from valuedrift.config.training_steps import total_steps
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
MakeJob = Callable[..., Job]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Parquet files of six conversations (`sft`) and six pairs (every other algorithm), with planted stances."""
    folder = tmp_path_factory.mktemp("data")
    questions = [f"What about {subject} ?" for subject in SUBJECTS]
    supporting = [f"I support {subject} ." for subject in SUBJECTS]
    planted = {"topic": "climate", "true_stance": "support"}
    conversations(questions, supporting, **planted).write_parquet(folder / "sft.parquet")
    # Chosen answers are longer than rejected ones, so that length normalisation shows.
    longer = [f"I support {subject} , no doubt ." for subject in SUBJECTS]
    planted = {"chosen_stance": "support", "rejected_stance": "oppose", "true_stance": "support"}
    preferences(questions, longer, ["No ."] * 6, **planted).write_parquet(folder / "pairs.parquet")
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
    """A job of an algorithm from the tiny base model; settings change by name, and any field of Job by `job`.

    Checkpoints are saved at step 2 and at the end.
    """

    def make(algorithm: str, job: dict[str, Any] | None = None, **changed: Any) -> Job:
        known = {key: value for key, value in SETTINGS.items() if key in KNOWN[algorithm].model_fields}
        settings = read_settings(algorithm, {**known, **changed})
        rows = pl.read_parquet((job or {}).get("data", data[algorithm])).height
        end = total_steps(rows, settings.model_dump(), algorithm)
        made = Job(
            algorithm=algorithm,
            settings=settings,
            seed=0,
            base=base,
            init=base,
            data=data[algorithm],
            folder=tmp_path_factory.mktemp(algorithm),
            steps=(2, end) if end > 2 else (end,),
            reward_model=reward_model if algorithm in REWARDED else None,
        )
        return replace(made, **(job or {}))

    # PPO's trainer collects garbage twice a step. What is imported by now need not be searched each time.
    gc.freeze()
    return make


def trained_once(build: Callable[..., Job]) -> Callable[..., Path]:
    """The folder of an undisturbed run of an algorithm with changed settings, trained at the first such call."""
    from valuedrift.training.train import train

    folders: dict[str, Path] = {}

    def folder(algorithm: str, **changed: Any) -> Path:
        key = json.dumps([algorithm, changed])
        if key not in folders:
            job = build(algorithm, **changed)
            train(job)
            folders[key] = job.folder
        return folders[key]

    return folder


@pytest.fixture(scope="session")
def finished(make_job: MakeJob) -> Callable[..., Path]:
    return trained_once(make_job)


@pytest.fixture(scope="session")
def undisturbed(make_job: MakeJob, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Runs of twelve steps with a resume folder."""
    from resuming import long_job

    def build(algorithm: str, **changed: Any) -> Job:
        return long_job(make_job, algorithm, tmp_path_factory.mktemp("undisturbed"), **changed)

    return trained_once(build)


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
