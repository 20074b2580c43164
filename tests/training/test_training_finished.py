"""Runs that had finished, or nearly, when the workflow died: they come back without training."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from resuming import Killed, MakeJob, long_job, measured, weights

from valuedrift.models.model_folder import in_use
from valuedrift.training import run
from valuedrift.training.job import Job
from valuedrift.training.run import train


def test_a_run_that_died_before_its_outputs_were_in_place_trains_no_more(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, undisturbed: Callable[..., Path], tmp_path: Path
) -> None:
    job = long_job(make_job, "sft", tmp_path)
    with monkeypatch.context() as patched, suppress(Killed):
        patched.setattr(run, "finish", lambda *unused: (_ for _ in ()).throw(Killed))
        train(job)
    assert not job.folder.exists()
    with monkeypatch.context() as patched:
        patched.setattr(run, "ALGORITHMS", {})
        train(job)
    assert weights(job.folder) == weights(undisturbed("sft"))


@pytest.fixture
def done(make_job: MakeJob, tmp_path: Path) -> Job:
    """A job that has finished, and whose outputs the workflow then removed, since it had not heard of that."""
    job = long_job(make_job, "sft", tmp_path)
    train(job)
    for step in job.steps:
        shutil.rmtree(job.folder / f"step-{step:06d}")
    (job.folder / "metrics.parquet").unlink()
    return job


@contextmanager
def without_training(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(run, "ALGORITHMS", {})
        yield


def test_outputs_that_went_before_they_were_used_come_back_untrained(
    done: Job, undisturbed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        with without_training(monkeypatch):
            train(done)
        assert "resume: this run has finished before; its 4 checkpoints come back" in capsys.readouterr().err
        assert weights(done.folder) == weights(undisturbed("sft"))
        assert measured(done.folder) == measured(undisturbed("sft"))
        shutil.rmtree(done.folder / "step-000012")
    assert done.resume and not done.resume.exists()


def test_what_is_put_aside_takes_no_disk(make_job: MakeJob, tmp_path: Path) -> None:
    job = long_job(make_job, "sft", tmp_path)
    train(job)
    kept = job.folder / ".finished-run" / "step-000002" / "model.safetensors"
    assert kept.samefile(job.folder / "step-000002" / "model.safetensors")


def test_nothing_is_put_aside_where_it_would_be_a_copy(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_links(source: str, target: str) -> None:
        raise OSError("Operation not supported")

    job = long_job(make_job, "sft", tmp_path)
    monkeypatch.setattr(os, "link", no_links)
    train(job)
    assert {path.name for path in job.folder.iterdir()} == {"metrics.parquet", *weights(job.folder)}


def edit_program(job: Job, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Job:
    source = folder / "program"
    source.mkdir()
    (source / "sft.py").write_text("edited")
    monkeypatch.setattr("valuedrift.training.outcome._SOURCES", (source,))
    return job


def lose_weights(job: Job, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Job:
    (job.folder / ".finished-run" / "step-000009" / "model.safetensors").unlink()
    return job


def change_settings(job: Job, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Job:
    return replace(job, settings=job.settings.replace(learning_rate=2e-3))


def use(job: Job, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Job:
    in_use(job.folder / "step-000012")
    return job


@pytest.mark.parametrize("why", [edit_program, lose_weights, change_settings, use])
def test_outputs_that_were_used_or_are_others_are_trained_again(
    done: Job,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    why: Callable[[Job, pytest.MonkeyPatch, Path], Job],
) -> None:
    job = why(done, monkeypatch, tmp_path)
    train(job)
    log = capsys.readouterr().err
    assert "has finished before" not in log and "step 12/12" in log
    assert len(weights(job.folder)) == 4


def test_a_run_that_starts_from_a_checkpoint_takes_it_for_complete(make_job: MakeJob, tmp_path: Path) -> None:
    first = long_job(make_job, "sft", tmp_path)
    train(first)
    second = replace(long_job(make_job, "dpo", tmp_path / "second"), init=first.folder / "step-000012")
    train(second)
    assert not (first.folder / ".finished-run").exists()
    assert (second.folder / ".finished-run").is_dir()


def test_resume_folders_inside_another_runs_are_left_alone(make_job: MakeJob, tmp_path: Path) -> None:
    """DPO's lineage begins with that of the SFT run that it starts from."""
    job = long_job(make_job, "sft", tmp_path)
    assert job.resume
    inner = job.resume / "dpo-b" / "point-000001"
    inner.mkdir(parents=True)
    train(job)
    assert inner.is_dir()
    assert [path.name for path in job.resume.iterdir()] == ["dpo-b"]
