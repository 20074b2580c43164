"""The shortened pocket pipeline run again, and again under kill -9: the same bytes. And it gives no key away."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from killing import VICTIMS, jobs_done, made, run_killed
from pipeline import PLANTED, command, planned, snakemake

from valuedrift.cli import main

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

KILLS = 30
SEED = 20251106


def assert_same_artifacts(one: Path, other: Path) -> None:
    first, second = (made(folder, ".parquet", ".safetensors") for folder in (one, other))
    assert len(first) > 80
    assert [name for name in sorted(first.keys() | second.keys()) if first.get(name) != second.get(name)] == []


def test_two_runs_make_the_same_tables_and_weights(finished: Path, tmp_path: Path) -> None:
    snakemake(tmp_path)
    assert_same_artifacts(finished, tmp_path)


def test_thirty_kills_change_nothing(finished: Path, tmp_path: Path) -> None:
    total = jobs_done(finished)
    kills, starts = run_killed(
        command(tmp_path), KILLS, SEED, lambda: jobs_done(tmp_path) / total, tmp_path / "log.txt"
    )
    assert kills.total() == KILLS and set(kills) == set(VICTIMS)
    assert starts > 1
    assert_same_artifacts(finished, tmp_path)
    assert planned(tmp_path) == {}


def test_every_artifact_is_recorded_and_sound(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished)
    assert main(["verify"]) == 0


def test_an_altered_checkpoint_is_named(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(finished, tmp_path / "copy")
    weights = next((copy / "results/checkpoints/pocket/sft-wildchat").glob("step-*/model.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    monkeypatch.chdir(copy)
    assert main(["verify"]) == 1
    said = capsys.readouterr().out
    assert f"altered    {weights.relative_to(copy)}" in said
    assert "outdated   results/generations/pocket/sft-wildchat" in said


def test_results_are_packed_and_checked(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(finished)
    archive = str(tmp_path / "pocket.tar.gz")
    assert main(["pack", archive]) == 0
    assert main(["verify", "--archive", archive]) == 0


def test_touched_tables_make_nothing_again(finished: Path, tmp_path: Path) -> None:
    """Snakemake compares the content of files below a megabyte; their metadata are part of it, and stay."""
    copy = shutil.copytree(finished, tmp_path / "copy")
    (copy / "results/data/pocket/wildchat/train.parquet").touch()
    assert planned(copy) == {}


def test_a_key_in_the_environment_is_in_no_file(finished: Path) -> None:
    files = [path for path in finished.rglob("*") if path.is_file()]
    assert any(".snakemake" in path.parts for path in files)
    assert [path for path in files if PLANTED.encode() in path.read_bytes()] == []
