"""Runs that finish, or nearly, while their workflow dies."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from resuming import Killed, long_job, points, started, wait_for, weights
from training_rows import MakeJob

from valuedrift.training import train as training
from valuedrift.training.job import Job
from valuedrift.training.train import train


def test_a_run_killed_before_its_outputs_are_in_place_is_not_trained_again(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, undisturbed: Callable[..., Path], tmp_path: Path
) -> None:
    job = long_job(make_job, "sft", tmp_path)
    with monkeypatch.context() as patched, suppress(Killed):
        patched.setattr(training, "finish", lambda *unused: (_ for _ in ()).throw(Killed))
        train(job)
    assert not job.folder.exists()
    with monkeypatch.context() as patched:
        patched.setattr(training, "ALGORITHMS", {})
        train(job)
    assert weights(job.folder) == weights(undisturbed("sft"))


def test_two_processes_do_not_train_the_same_run(
    make_job: MakeJob,
    undisturbed: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """The second waits, names the first, and uses what that has made."""
    job = long_job(make_job, "sft", tmp_path)
    first = started(job)
    wait_for(lambda: bool(points(job)), first)
    monkeypatch.setattr(training, "ALGORITHMS", {})
    train(job)
    log = capsys.readouterr().err
    assert f"Waiting for process {first.pid} on " in log
    assert "another process has finished this run; its 4 checkpoints are whole" in log
    assert weights(job.folder) == weights(undisturbed("sft"))


@pytest.fixture(scope="module")
def finished_job(make_job: MakeJob, tmp_path_factory: pytest.TempPathFactory) -> Job:
    job = long_job(make_job, "sft", tmp_path_factory.mktemp("done"))
    train(job)
    return job


def lose_weights(job: Job) -> Job:
    (job.folder / "step-000009" / "model.safetensors").unlink()
    return job


def lose_metrics(job: Job) -> Job:
    (job.folder / "metrics.parquet").unlink()
    return job


def change_settings(job: Job) -> Job:
    return replace(job, settings=job.settings.replace(learning_rate=2e-3))


@pytest.mark.parametrize("change", [lose_weights, lose_metrics, change_settings])
def test_outputs_that_are_not_whole_or_another_runs_are_trained_again(
    finished_job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: Callable[[Job], Job]
) -> None:
    job = change(replace(finished_job, folder=shutil.copytree(finished_job.folder, tmp_path / "run")))
    monkeypatch.setattr(training, "ALGORITHMS", {})
    with pytest.raises(KeyError, match="sft"):
        train(job)


def test_resume_folders_inside_another_runs_are_left_alone(make_job: MakeJob, tmp_path: Path) -> None:
    """DPO's lineage begins with that of the SFT run that it starts from."""
    job = long_job(make_job, "sft", tmp_path)
    assert job.resume
    inner = job.resume / "dpo-b" / "point-000001"
    inner.mkdir(parents=True)
    train(job)
    assert inner.is_dir()
    assert [path.name for path in job.resume.iterdir()] == ["dpo-b"]
