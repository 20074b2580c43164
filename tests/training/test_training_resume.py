"""Runs that are killed and started again end as if nothing had happened."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from resuming import dying_at, long_job, measured, points, weights
from training_rows import PAPER, MakeJob

from valuedrift.training.train import train

ADAPTERS: dict[str, Any] = {"rank": 4, "alpha": 8, "dropout": 0.1, "targets": ["q_proj", "v_proj"]}
# Adapters with dropout, whose masks come from the generators, too; PPO's trainer switches dropout off.
STOPS = [(algorithm, {}, step) for algorithm in PAPER for step in (3, 10)]
STOPS += [(algorithm, {}, 10) for algorithm in ("ipo", "kto", "orpo")]
STOPS += [("dpo", {"lora": ADAPTERS}, 10), ("ppo", {"lora": {**ADAPTERS, "dropout": 0.0}}, 10)]


@pytest.mark.parametrize(("algorithm", "changed", "step"), STOPS)
def test_a_stopped_run_continues_to_the_same_weights_and_metrics(
    make_job: MakeJob,
    undisturbed: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    algorithm: str,
    changed: dict[str, Any],
    step: int,
) -> None:
    job = long_job(make_job, algorithm, tmp_path, **changed)
    with dying_at(step, monkeypatch):
        train(job)
    assert not job.folder.exists(), "outputs appear when the run is complete"
    kept = max(saved for saved in job.steps if saved < step)
    assert points(job) == [f"point-{kept:06d}"]
    whole = undisturbed(algorithm, **changed)
    capsys.readouterr()
    torch.manual_seed(99)  # a new process's generators stand elsewhere
    random.seed(99)
    train(job)
    assert f"resume: continues from step {kept} of 12" in capsys.readouterr().err
    assert weights(job.folder) == weights(whole)
    assert measured(job.folder) == measured(whole)
    assert job.resume and not job.resume.exists()


@pytest.mark.parametrize("algorithm", PAPER)
def test_a_resume_folder_changes_no_weights(
    make_job: MakeJob, undisturbed: Callable[..., Path], tmp_path: Path, algorithm: str
) -> None:
    job = replace(long_job(make_job, algorithm, tmp_path), resume=None)
    train(job)
    assert weights(job.folder) == weights(undisturbed(algorithm))


def test_points_come_by_the_clock_too_and_only_the_newest_stays(
    make_job: MakeJob, undisturbed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = replace(long_job(make_job, "sft", tmp_path), resume_minutes=0)
    with dying_at(8, monkeypatch):
        train(job)
    assert points(job) == ["point-000007"]
    assert job.resume
    assert sorted(path.name for path in (job.resume / "saved").iterdir()) == ["step-000002", "step-000005"]
    train(job)
    assert weights(job.folder) == weights(undisturbed("sft"))


def test_metrics_are_whole_where_a_point_falls_between_two_logged_steps(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of 100 steps, every second is logged: the mean loss of steps 5 and 6 must not lose what came before the point."""
    whole, job = (
        make_job(
            "sft",
            job={"steps": (5, 100), "resume": tmp_path / name / "resume", "folder": tmp_path / name / "run"},
            epochs=50,
        )
        for name in ("whole", "stopped")
    )
    train(whole)
    with dying_at(7, monkeypatch):
        train(job)
    train(job)
    assert measured(job.folder) == measured(whole.folder)
    assert {step for step, metric, _ in measured(job.folder) if metric == "loss"} >= {4, 5, 6, 8, 100}


def test_what_can_not_be_continued_exactly_says_so_and_starts_again(
    make_job: MakeJob,
    undisturbed: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = long_job(make_job, "grpo", tmp_path)
    with dying_at(6, monkeypatch):
        train(job)
    assert "grpo on 1 device(s) can't be continued exactly: if killed, it starts again" in capsys.readouterr().err
    assert points(job) == []
    train(job)
    assert "continues from" not in capsys.readouterr().err
    assert weights(job.folder) == weights(undisturbed("grpo"))
