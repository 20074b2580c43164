"""Disk space: what is predicted, and what happens when there is none."""

from __future__ import annotations

import errno
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import SafetensorError
from training_rows import PAPER, MakeJob
from transformers import AutoModelForCausalLM

from valuedrift.config.hyperparameters import Lora
from valuedrift.errors import ArtifactError
from valuedrift.models.model_folder import require_model
from valuedrift.training import disk, keep_resume_points
from valuedrift.training.disk import explain_full_disk, predict, require_space
from valuedrift.training.train import train


def folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("algorithm", PAPER)
def test_the_predicted_size_is_the_real_one(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, algorithm: str
) -> None:
    """But for headers and configurations, which count at this size and no other."""
    job = make_job(algorithm, job={"resume": tmp_path / "resume"})
    need = predict(job)
    kept: list[int] = []
    write = keep_resume_points.write_point

    def measure(draft: Path, *rest: object) -> None:
        write(draft, *rest)
        kept.append(max(folder_size(path) for path in (tmp_path / "resume").glob("point-*")))

    monkeypatch.setattr(keep_resume_points, "write_point", measure)
    train(job)
    saved = [folder_size(path) for path in job.folder.glob("step-*")]
    assert len(saved) == need.checkpoints
    assert max(saved) - 4_000 < need.checkpoint <= max(saved) + 1_400  # a reward model has no head over words
    assert kept and max(kept) - 70_000 < need.point <= max(kept)


def test_a_resume_point_counts_twice_and_only_where_there_is_one(make_job: MakeJob, tmp_path: Path) -> None:
    job = make_job("sft")
    bare, resumed = predict(job), predict(replace(job, resume=tmp_path))
    assert bare.point == 0 and bare.total == 2 * bare.checkpoint
    assert resumed.point == 3 * resumed.checkpoint
    assert resumed.total == bare.total + 2 * resumed.point


def test_adapters_make_small_resume_points_and_whole_checkpoints(make_job: MakeJob, base: Path, tmp_path: Path) -> None:
    job = make_job("sft", job={"resume": tmp_path})
    lora = Lora(rank=2, alpha=4, dropout=0.0, targets=("q_proj",))
    need = predict(replace(job, settings=job.settings.replace(lora=lora)))
    model = AutoModelForCausalLM.from_pretrained(base)
    weight = model.model.layers[0].self_attn.q_proj.weight
    assert need.checkpoint == predict(job).checkpoint
    assert need.point == 3 * 4 * 2 * sum(weight.shape)


def test_the_need_is_shown_and_a_small_disk_refused_before_anything_is_written(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = make_job("sft")
    require_space(job)
    assert "disk: this run needs 63.5 kB of disk: 2 checkpoints × 31.7 kB; " in capsys.readouterr().err
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 60_000))
    with pytest.raises(ArtifactError, match=r"found '60.0 kB free', expected at least 63.5 kB. Free space"):
        train(job)
    assert list(job.folder.iterdir()) == []


def test_what_a_stopped_run_has_saved_already_needs_no_new_room(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = make_job("sft", job={"resume": tmp_path / "resume"})
    need = predict(job)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, need.total - 1000))
    with pytest.raises(ArtifactError, match="expected at least"):
        require_space(job)
    (tmp_path / "resume" / "saved").mkdir(parents=True)
    (tmp_path / "resume" / "saved" / "weights").write_bytes(bytes(1000))
    require_space(job)


FULL = {
    "no space": OSError(errno.ENOSPC, "No space left on device"),
    "quota": OSError(errno.EDQUOT, "Disk quota exceeded"),
    "safetensors": SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
    "torch": RuntimeError("[enforce fail at inline_container.cc:672] . PytorchStreamWriter failed writing file data/0"),
}


@pytest.mark.parametrize("kind", FULL)
def test_a_full_disk_says_what_is_whole_and_what_to_do(tmp_path: Path, kind: str) -> None:
    (tmp_path / "step-000004").mkdir()
    whole = r"The disk or a quota is full. step-000004 is the newest that was saved, and whole"
    with pytest.raises(ArtifactError, match=whole), explain_full_disk(tmp_path):
        raise FULL[kind]


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "Permission denied"), RuntimeError("shape mismatch")])
def test_other_errors_stay_what_they_are(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error), match=str(error).split("]")[-1].strip()[:10]), explain_full_disk(tmp_path):
        raise error


@pytest.mark.parametrize("room", [20_000, 40_000])
def test_a_disk_that_fills_up_leaves_earlier_checkpoints_whole(make_job: MakeJob, tmp_path: Path, room: int) -> None:
    """Files beyond a limit stand for the disk: 20 kB stop the weights (32 kB), 40 kB the optimiser's state (64 kB)."""
    job = make_job("sft", job={"resume": tmp_path / "resume"})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        with pytest.raises(ArtifactError, match="The disk or a quota is full"):
            train(job)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    saved = sorted((tmp_path / "resume" / "saved").glob("*"))
    assert [path.name for path in saved] == ([] if room == 20_000 else ["step-000002"])
    for path in saved:
        require_model(path)
    assert not list((tmp_path / "resume").glob("point-*"))
    train(job)  # there is room again
    assert sorted(path.name for path in job.folder.glob("step-*")) == ["step-000002", "step-000004"]
