"""The records of what made results travel with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from valuedrift.workflow.snakemake_records import RECORDS, keep_records

RESULTS = Path("results")


@pytest.fixture(autouse=True)
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_snakemake_records_lies_in_the_results() -> None:
    for _ in range(2):
        keep_records(RESULTS)
    Path(".snakemake/metadata/a").write_text("{}")
    assert (RESULTS / RECORDS / "a").read_text() == "{}"


def test_records_of_before_go_there() -> None:
    before = Path(".snakemake/metadata/@long")
    before.mkdir(parents=True)
    (before / "a").write_text("{}")
    keep_records(RESULTS)
    assert (RESULTS / RECORDS / "@long" / "a").read_text() == (before / "a").read_text() == "{}"


def test_copied_results_bring_their_records() -> None:
    (RESULTS / RECORDS).mkdir(parents=True)
    (RESULTS / RECORDS / "a").write_text("{}")
    keep_records(RESULTS)
    assert Path(".snakemake/metadata/a").exists()


def test_a_plan_makes_no_results() -> None:
    keep_records(RESULTS, make=False)
    assert list(Path.cwd().iterdir()) == []


def test_a_plan_after_results_were_removed_finds_no_dangling_link() -> None:
    keep_records(RESULTS)
    (RESULTS / RECORDS).rmdir()
    RESULTS.rmdir()
    keep_records(RESULTS, make=False)
    assert not Path(".snakemake/metadata").is_symlink()
    assert not RESULTS.exists()


def test_where_both_hold_records_both_stay() -> None:
    for folder in (Path(".snakemake/metadata"), RESULTS / RECORDS):
        folder.mkdir(parents=True)
        (folder / folder.parts[0]).write_text("{}")
    keep_records(RESULTS)
    assert [path.name for path in Path(".snakemake/metadata").iterdir()] == [".snakemake"]
    assert [path.name for path in (RESULTS / RECORDS).iterdir()] == ["results"]


def test_results_that_were_removed_leave_no_dangling_link() -> None:
    keep_records(RESULTS)
    (RESULTS / RECORDS).rmdir()
    RESULTS.rmdir()
    keep_records(RESULTS)
    assert Path(".snakemake/metadata").is_dir()
