"""Runs that are killed and started again: they end as if nothing had happened, or begin again and say why."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from transformers import TrainerCallback

from valuedrift.errors import ArtifactError
from valuedrift.models.folder import in_use
from valuedrift.training import run
from valuedrift.training.job import Job
from valuedrift.training.resume import alone, find_point, fingerprint
from valuedrift.training.run import train

MakeJob = Callable[..., Job]
ALGORITHMS = ["sft", "reward", "dpo", "simpo", "ppo"]

# A server that has imported everything once; its children are processes of their own, which can be killed.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["valuedrift.training.run"])


class Killed(BaseException):
    """What the tests stop a run with in its own process; nothing catches it."""


def weights(folder: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in sorted(folder.glob("step-*/model.safetensors"))}


def measured(folder: Path) -> list[tuple[Any, ...]]:
    return pl.read_parquet(folder / "metrics.parquet").rows()


def points(job: Job) -> list[str]:
    assert job.resume
    return sorted(path.name for path in job.resume.glob("point-*"))


@contextmanager
def dying_at(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs of this process end at a step, without any tidying up but Python's own."""

    class Die(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == step:
                raise Killed

    with monkeypatch.context() as patched:
        build = run.ALGORITHMS.copy()
        for name in build:
            patched.setitem(run.ALGORITHMS, name, lambda job, calls, name=name: build[name](job, [*calls, Die()]))
        with suppress(Killed):
            yield


@pytest.fixture(scope="module")
def undisturbed(make_job: MakeJob, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a whole run with a resume folder, by algorithm."""
    done: dict[str, Path] = {}

    def folder(algorithm: str) -> Path:
        if algorithm not in done:
            job = long_job(make_job, algorithm, tmp_path_factory.mktemp("undisturbed"))
            train(job)
            done[algorithm] = job.folder
        return done[algorithm]

    return folder


EPOCHS: dict[str, dict[str, int]] = {
    "ppo": {"epochs": 4, "batch_size": 2, "device_batch_size": 1},
    "kto": {"epochs": 4, "device_batch_size": 2},
    "grpo": {"epochs": 4, "device_batch_size": 2},
}


def long_job(make_job: MakeJob, algorithm: str, folder: Path, **changed: Any) -> Job:
    """Twelve steps of two forward passes each; an epoch has three of them for PPO and KTO, two for the others."""
    steps = (2, 5, 9, 12)
    return make_job(
        algorithm,
        job={"steps": steps, "resume": folder / "resume" / "sft-a" / algorithm, "folder": folder / "run"},
        warmup_ratio=0.25,
        **EPOCHS.get(algorithm, {"epochs": 6, "device_batch_size": 2}),
        **changed,
    )


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("step", [3, 10])
def test_a_stopped_run_continues_to_the_same_weights_and_metrics(
    make_job: MakeJob,
    undisturbed: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    algorithm: str,
    step: int,
) -> None:
    job = long_job(make_job, algorithm, tmp_path)
    with dying_at(step, monkeypatch):
        train(job)
    assert not job.folder.exists(), "outputs appear when the run is complete"
    kept = max(saved for saved in job.steps if saved < step)
    assert points(job) == [f"point-{kept:06d}"]
    capsys.readouterr()
    torch.manual_seed(99)  # a new process's generators stand elsewhere
    random.seed(99)
    train(job)
    assert f"resume: continues from step {kept} of 12" in capsys.readouterr().err
    assert weights(job.folder) == weights(undisturbed(algorithm))
    assert measured(job.folder) == measured(undisturbed(algorithm))
    assert job.resume and not job.resume.exists()


ADAPTERS: dict[str, Any] = {"rank": 4, "alpha": 8, "dropout": 0.1, "targets": ["q_proj", "v_proj"]}


@pytest.mark.parametrize(
    ("algorithm", "lora"),
    [("ipo", None), ("kto", None), ("orpo", None), ("dpo", ADAPTERS), ("ppo", {**ADAPTERS, "dropout": 0.0})],
)
def test_other_algorithms_and_adapters_continue_too(
    make_job: MakeJob,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    algorithm: str,
    lora: dict[str, Any] | None,
) -> None:
    """Adapters with dropout, whose masks come from the generators."""
    whole, job = (long_job(make_job, algorithm, tmp_path / name, lora=lora) for name in ("whole", "stopped"))
    train(whole)
    with dying_at(10, monkeypatch):
        train(job)
    torch.manual_seed(99)
    train(job)
    assert "resume: continues from step 9 of 12" in capsys.readouterr().err
    assert weights(job.folder) == weights(whole.folder)
    assert measured(job.folder) == measured(whole.folder)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
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


def started(job: Job) -> BaseProcess:
    process = PROCESSES.Process(target=train, args=(job,))
    process.start()
    return process


def wait_for(condition: Callable[[], bool], process: BaseProcess) -> None:
    end = time.monotonic() + 60
    while not condition() and process.is_alive():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.mark.parametrize("algorithm", ["dpo", "ppo"])
def test_a_process_killed_at_once_continues_in_another(
    make_job: MakeJob, undisturbed: Callable[..., Path], tmp_path: Path, algorithm: str
) -> None:
    job = replace(long_job(make_job, algorithm, tmp_path), resume_minutes=0)
    process = started(job)
    wait_for(lambda: bool(points(job)), process)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    again = started(job)
    again.join()
    assert again.exitcode == 0
    assert weights(job.folder) == weights(undisturbed(algorithm))


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_six_kills_at_random_moments_leave_no_trace(make_job: MakeJob, tmp_path: Path, algorithm: str) -> None:
    """Thirty kills over the algorithms; a checkpoint is due at every fourth step, a point at every second or so."""
    count = 60
    settings = {"epochs": 20, "batch_size": 2, "device_batch_size": 1}
    steps = tuple(range(4, count + 1, 4))
    whole = make_job(algorithm, job={"steps": steps, "folder": tmp_path / "whole"}, **settings)
    for _ in range(2):  # the first call also starts the server
        begun = time.monotonic()
        started(whole).join()
        seconds = time.monotonic() - begun
    job = replace(whole, folder=tmp_path / "run", resume=tmp_path / "resume", resume_minutes=0.001)
    kills, continued = 0, 0
    chance = random.Random(algorithm)
    while kills < 6:
        continued += bool(points(job))
        process = started(job)
        process.join(chance.uniform(0.2, 0.9) * seconds)
        process.kill()
        process.join()
        if process.exitcode == 0:  # done before the kill came: begin once more
            assert weights(job.folder) == weights(whole.folder)
            shutil.rmtree(job.folder)
        else:
            assert process.exitcode == -signal.SIGKILL
            kills += 1
    last = started(job)
    last.join()
    assert last.exitcode == 0
    assert weights(job.folder) == weights(whole.folder)
    assert len(weights(job.folder)) == len(steps)
    assert continued


@pytest.mark.parametrize("algorithm", ["sft", "ppo"])
def test_sigterm_keeps_the_state_and_ends_with_a_status_of_its_own(
    make_job: MakeJob, undisturbed: Callable[..., Path], tmp_path: Path, algorithm: str
) -> None:
    """Slurm announces the end of a job's time so."""
    job = long_job(make_job, algorithm, tmp_path)
    process = started(job)
    wait_for(lambda: bool(points(job)), process)  # the first checkpoint's; a later one shows that the signal made it
    assert process.pid
    os.kill(process.pid, signal.SIGTERM)
    process.join()
    if process.exitcode == 0:
        pytest.skip("the run ended before the signal came")
    assert process.exitcode == 75
    assert points(job)
    train(job)
    assert weights(job.folder) == weights(undisturbed(algorithm))


@pytest.fixture(scope="module")
def stopped(make_job: MakeJob, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Job]:
    """A job that died at step 6, so that its point is that of step 5; each call gives a copy of what it left."""
    left: dict[str, Job] = {}

    def copy(algorithm: str, folder: Path) -> Job:
        if algorithm not in left:
            left[algorithm] = long_job(make_job, algorithm, tmp_path_factory.mktemp("stopped"))
            with pytest.MonkeyPatch.context() as patched, dying_at(6, patched):
                train(left[algorithm])
        job = left[algorithm]
        assert job.resume
        shutil.copytree(job.resume, folder / "resume")
        return replace(job, folder=folder / "run", resume=folder / "resume")

    return copy


def cut(point: Path) -> None:
    file = point / "optimizer.pt"
    file.write_bytes(file.read_bytes()[:100])


def flip(point: Path) -> None:
    file = point / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut": (cut, r"optimizer\.pt: found '100 bytes', expected \d+ bytes"),
    "changed": (flip, r"model\.safetensors: found 'other content'"),
    "gone": (lambda point: (point / "scheduler.pt").unlink(), r"scheduler\.pt: found 'nothing'"),
    "no manifest": (lambda point: (point / "resume.json").unlink(), r"resume\.json"),
    "half a manifest": (lambda point: (point / "resume.json").write_text('{"step": 5, '), r"expected a whole resume"),
    "no checkpoint": (
        lambda point: (point.parent / "saved" / "step-000002" / "model.safetensors").unlink(),
        r"step-000002: found .*expected config",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_point_is_explained_and_goes(
    stopped: Callable[..., Job], tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    job = stopped("sft", tmp_path)
    harm, message = DAMAGE[damage]
    harm(tmp_path / "resume" / "point-000005")
    assert find_point(job, tmp_path / "resume") is None
    log = capsys.readouterr().err
    assert "resume: can't continue from" in log
    assert "resume: starts at step 0" in log
    assert re.search(message, log), log
    assert [path.name for path in (tmp_path / "resume").iterdir()] == ["run.json"]


def test_a_run_with_a_damaged_point_starts_again(
    stopped: Callable[..., Job], undisturbed: Callable[..., Path], tmp_path: Path
) -> None:
    job = stopped("sft", tmp_path)
    flip(tmp_path / "resume" / "point-000005")
    train(job)
    assert weights(job.folder) == weights(undisturbed("sft"))


CHANGED = {
    "settings": "settings: learning_rate was 0.01, is 0.002",
    "seed": "seed was 0, is 5",
    "data": "data was ",
    "init": "starting checkpoint was ",
    "base": "tokenizer was ",
    "versions": "versions: torch was 1.0, is ",
    "steps": "steps was [2, 5, 9, 12], is [2, 6, 12]",
    "unreadable": "run.json was unreadable, is None",
}


@pytest.mark.parametrize("change", CHANGED)
def test_another_runs_point_is_explained_and_goes(
    stopped: Callable[..., Job],
    data: dict[str, Path],
    base: Path,
    other: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: str,
) -> None:
    job, folder = stopped("sft", tmp_path), tmp_path / "resume"
    rows = tmp_path / "reversed.parquet"
    pl.read_parquet(data["sft"]).reverse().write_parquet(rows)
    edited = Path(shutil.copytree(base, tmp_path / "base"))
    (edited / "chat_template.jinja").write_text("{{ messages }}")
    found = json.loads((folder / "run.json").read_text())
    found["versions"]["torch"] = "1.0"
    if change in ("versions", "unreadable"):
        (folder / "run.json").write_text(json.dumps(found)[: 10 if change == "unreadable" else None])
    changed: dict[str, Any] = {
        "settings": {"settings": replace(job.settings, learning_rate=2e-3)},
        "seed": {"seed": 5},
        "data": {"data": rows},
        "init": {"init": other},
        "base": {"base": edited},
        "steps": {"steps": (2, 6, 12)},
    }
    assert find_point(replace(job, **changed.get(change, {})), folder) is None
    log = capsys.readouterr().err
    assert "belongs to another run, and goes: " in log and CHANGED[change] in log, log
    assert "continues from" not in log
    assert [path.name for path in folder.iterdir()] == ["run.json"]


def test_what_decides_no_weights_may_change(stopped: Callable[..., Job], tmp_path: Path) -> None:
    job = stopped("sft", tmp_path)
    assert find_point(replace(job, resume_minutes=1, folder=tmp_path / "elsewhere"), tmp_path / "resume")


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
    return replace(job, settings=replace(job.settings, learning_rate=2e-3))


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


def test_two_processes_do_not_train_the_same_run(make_job: MakeJob, tmp_path: Path) -> None:
    job = long_job(make_job, "sft", tmp_path)
    assert job.resume
    with alone(job.resume), pytest.raises(ArtifactError, match="another process that trains this run"):
        train(job)
    train(job)


def test_checkpoints_are_links_while_both_places_hold_them(
    stopped: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = stopped("sft", tmp_path)
    seen: list[int] = []
    discard = run.finish.__globals__["_discard"]

    def look(folder: Path, *patterns: str) -> None:
        if "saved" in patterns and (job.folder / "step-000002").exists():
            seen.append((job.folder / "step-000002" / "model.safetensors").stat().st_nlink)
        discard(folder, *patterns)

    monkeypatch.setitem(run.finish.__globals__, "_discard", look)
    train(job)
    assert seen == [2]


@pytest.mark.parametrize("algorithm", ["sft", "ppo"])
def test_points_hold_no_arguments_as_a_pickle(stopped: Callable[..., Job], tmp_path: Path, algorithm: str) -> None:
    stopped(algorithm, tmp_path)
    files = (tmp_path / "resume" / "point-000005").iterdir()
    pickled = {path.name for path in files if path.suffix in (".pt", ".pth", ".bin", ".pkl")}
    assert pickled == {"optimizer.pt", "rng_state.pth", "scheduler.pt"}, "these are read with weights_only"


def test_what_can_not_be_continued_exactly_says_so_and_starts_again(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, job = (long_job(make_job, "grpo", tmp_path / name) for name in ("whole", "stopped"))
    train(whole)
    with dying_at(6, monkeypatch):
        train(job)
    assert "grpo on 1 device(s) can't be continued exactly: if killed, it starts again" in capsys.readouterr().err
    assert points(job) == []
    train(job)
    assert "continues from" not in capsys.readouterr().err
    assert weights(job.folder) == weights(whole.folder)


def test_equal_runs_have_equal_fingerprints(make_job: MakeJob, tmp_path: Path) -> None:
    job = long_job(make_job, "ppo", tmp_path)
    assert fingerprint(job) == fingerprint(replace(job, folder=tmp_path, resume=None, report_to=()))
