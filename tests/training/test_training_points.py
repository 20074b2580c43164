"""Points from which runs continue: what they hold, and which are refused, saying why."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from resuming import long_job, weights
from training_rows import MakeJob

from valuedrift.training import train as training
from valuedrift.training.job import Job
from valuedrift.training.resume_points import find_point, fingerprint
from valuedrift.training.train import train


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
def test_a_damaged_point_is_explained_and_removed(
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
def test_another_runs_point_is_explained_and_removed(
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
        "settings": {"settings": job.settings.replace(learning_rate=2e-3)},
        "seed": {"seed": 5},
        "data": {"data": rows},
        "init": {"init": other},
        "base": {"base": edited},
        "steps": {"steps": (2, 6, 12)},
    }
    assert find_point(replace(job, **changed.get(change, {})), folder) is None
    log = capsys.readouterr().err
    assert "discarding the state of another run in " in log and CHANGED[change] in log, log
    assert "continues from" not in log
    assert [path.name for path in folder.iterdir()] == ["run.json"]


def test_settings_that_dont_affect_weights_may_change(stopped: Callable[..., Job], tmp_path: Path) -> None:
    job = stopped("sft", tmp_path)
    assert find_point(replace(job, resume_minutes=1, folder=tmp_path / "elsewhere"), tmp_path / "resume")


def test_checkpoints_are_links_while_both_places_hold_them(
    stopped: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job = stopped("sft", tmp_path)
    seen: list[int] = []
    discard = training.finish.__globals__["_discard"]

    def look(folder: Path, *patterns: str) -> None:
        if "saved" in patterns and (job.folder / "step-000002").exists():
            seen.append((job.folder / "step-000002" / "model.safetensors").stat().st_nlink)
        discard(folder, *patterns)

    monkeypatch.setitem(training.finish.__globals__, "_discard", look)
    train(job)
    assert seen == [2]


@pytest.mark.parametrize("algorithm", ["sft", "ppo"])
def test_points_hold_no_arguments_as_a_pickle(stopped: Callable[..., Job], tmp_path: Path, algorithm: str) -> None:
    stopped(algorithm, tmp_path)
    files = (tmp_path / "resume" / "point-000005").iterdir()
    pickled = {path.name for path in files if path.suffix in (".pt", ".pth", ".bin", ".pkl")}
    assert pickled == {"optimizer.pt", "rng_state.pth", "scheduler.pt"}, "these are read with weights_only"


def test_equal_runs_have_equal_fingerprints(make_job: MakeJob, tmp_path: Path) -> None:
    job = long_job(make_job, "ppo", tmp_path)
    assert fingerprint(job) == fingerprint(replace(job, folder=tmp_path, resume=None, report_to=()))
