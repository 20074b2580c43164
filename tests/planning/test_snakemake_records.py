"""Snakemake's records are kept with the results."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from valuedrift.workflow.snakemake_records import RECORDS, keep_records

RESULTS, METADATA = Path("results"), Path(".snakemake/metadata")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def record(folder: Path, name: str = "a") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("{}")


def test_new_records_are_written_to_the_results() -> None:
    for _ in range(2):
        keep_records(RESULTS)
    record(METADATA)
    assert (RESULTS / RECORDS / "a").is_file()


def test_earlier_records_are_moved_to_the_results() -> None:
    record(METADATA / "@long")
    keep_records(RESULTS)
    assert (RESULTS / RECORDS / "@long" / "a").is_file()
    assert (METADATA / "@long" / "a").is_file()


def test_copied_results_bring_their_records() -> None:
    record(RESULTS / RECORDS)
    keep_records(RESULTS)
    assert (METADATA / "a").is_file()


def test_where_both_folders_hold_records_both_stay() -> None:
    record(METADATA, "state")
    record(RESULTS / RECORDS, "kept")
    keep_records(RESULTS)
    assert [path.name for folder in (METADATA, RESULTS / RECORDS) for path in folder.iterdir()] == ["state", "kept"]


def test_a_plan_creates_no_results() -> None:
    keep_records(RESULTS, make=False)
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("make", [True, False])
def test_removed_results_leave_no_dangling_link(make: bool) -> None:
    keep_records(RESULTS)
    shutil.rmtree(RESULTS)
    keep_records(RESULTS, make=make)
    assert METADATA.is_dir() == METADATA.is_symlink() == RESULTS.exists() == make
