"""What a killed Snakemake leaves: its lock files, jobs that go on, and files that are cut short."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from valuedrift import locks
from valuedrift.errors import ArtifactError, ValueDriftError
from valuedrift.locks import SNAKEMAKE, job_lock
from valuedrift.workflow.killed_snakemake import join, remove_drafts, require_usable, tell_jobs

JOINING = "import sys; from pathlib import Path; from valuedrift.workflow.killed_snakemake import join;"
JOINING += "held = join(Path('.snakemake')); print('joined', flush=True); sys.stdin.read()"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a lock file of Snakemake's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.input.lock").write_text("results/x\n")
    return tmp_path


@pytest.fixture
def other(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another Snakemake in the folder."""
    with subprocess.Popen([sys.executable, "-c", JOINING], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout and process.stdout.readline() == "joined\n"
        (folder / ".snakemake/locks/0.input.lock").write_text("results/x\n")
        yield process
        process.kill()


def lock_files(folder: Path) -> list[str]:
    return [path.name for path in (folder / ".snakemake/locks").iterdir()]


def test_the_lock_of_a_snakemake_stays_until_that_is_killed(
    folder: Path, other: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    join(folder / ".snakemake").close()
    assert lock_files(folder) == ["0.input.lock"]
    assert capsys.readouterr().err == ""
    other.kill()
    other.wait()
    join(folder / ".snakemake").close()
    assert lock_files(folder) == []
    assert "removing its stale lock" in capsys.readouterr().err


def test_on_a_file_system_without_locks_no_snakemake_counts_as_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no locks available")

    join(folder / ".snakemake").close()
    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    (folder / ".snakemake/locks/0.input.lock").touch()
    join(folder / ".snakemake").close()
    assert lock_files(folder) == ["0.input.lock"]
    assert "Warning: no locks in " in capsys.readouterr().err


def test_jobs_that_begin_after_their_snakemake_has_died_write_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SNAKEMAKE, "")  # so that what the call sets is undone
    with join(folder / ".snakemake") as mark:
        tell_jobs(Path(mark.name))
        with job_lock("results/x"):
            pass
    with pytest.raises(ValueDriftError, match="results/x: not made, since the Snakemake"), job_lock("results/x"):
        pytest.fail("the job began")


@pytest.mark.parametrize("writing", ["nobody", "another Snakemake", "an orphan"])
def test_drafts_of_killed_jobs_are_removed_unless_someone_may_be_writing(
    folder: Path, capsys: pytest.CaptureFixture[str], writing: str
) -> None:
    results = folder / "results"
    (results / "drift/.pocket.123.tmp/tables").mkdir(parents=True)
    (results / "drift/.values.parquet.45.tmp").touch()
    (results / "embeddings").mkdir()
    others = {results / "embeddings" / name for name in ("wildchat.npy", ".wildchat.npy.0f.partial", "notes.7.tmp")}
    for path in others:
        path.touch()
    beside = {
        "another Snakemake": lambda: join(folder / ".snakemake"),
        "an orphan": lambda: locks.exclusive("results/x"),
    }
    with join(folder / ".snakemake") as mark, beside.get(writing, nullcontext)():
        remove_drafts(results, Path(mark.name))
    drafts = {path.name for path in results.rglob("*.tmp")} - {"notes.7.tmp"}
    assert drafts == (set() if writing == "nobody" else {".pocket.123.tmp", ".values.parquet.45.tmp"})
    assert all(path.exists() for path in others)
    told = f"Still running, though its Snakemake was killed: process {os.getpid()} on "
    assert (told in capsys.readouterr().err) is (writing == "an orphan")


def test_results_that_cannot_be_written_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_usable(Path("results"))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "results")
    (folder / "results").mkdir()
    with pytest.raises(ArtifactError, match=r"^results: found .* expected a folder for results"):
        require_usable(Path("results"))


def test_one_file_holds_what_runs_before_the_first_job() -> None:
    """Of several `onstart` blocks Snakemake keeps the last, and says nothing."""
    root = Path(__file__).parents[2]
    files = [root / "Snakefile", *(root / "rules").glob("*.smk")]
    assert [path.name for path in files if "\nonstart:" in path.read_text()] == ["start.smk"]
