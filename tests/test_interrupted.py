"""What a killed Snakemake leaves: its lock files, and jobs that go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from valuedrift.errors import ArtifactError
from valuedrift.workflow import locks as interrupted
from valuedrift.workflow.locks import OWNER, end_orphans, prepare, remove_drafts, share

SHARING = (
    "import sys; from pathlib import Path; from valuedrift.workflow.locks import share;"
    " held = share(Path('.snakemake'));"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(OWNER, "")
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.input.lock").write_text("results/x\n")
    return tmp_path


@pytest.fixture
def other(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that shares the folder, and has started a job."""
    code = f"{SHARING} import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout
        process.job = int(process.stdout.readline())  # type: ignore[attr-defined]
        (folder / ".snakemake/locks/0.input.lock").write_text("results/x\n")
        yield process
        process.kill()
        with suppress(ProcessLookupError):
            os.kill(process.job, signal.SIGKILL)  # type: ignore[attr-defined]


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_dead_ones_lock_goes(folder: Path) -> None:
    with share(folder / ".snakemake"):
        assert list((folder / ".snakemake/locks").iterdir()) == []


def test_a_living_ones_lock_stays_until_it_is_killed(folder: Path, other: subprocess.Popen[str]) -> None:
    share(folder / ".snakemake").close()
    assert [path.name for path in (folder / ".snakemake/locks").iterdir()] == ["0.input.lock"]
    other.kill()
    other.wait()
    share(folder / ".snakemake").close()
    assert list((folder / ".snakemake/locks").iterdir()) == []


def test_without_locks_nobody_counts_as_dead(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no locks available")

    share(folder / ".snakemake").close()
    monkeypatch.setattr(interrupted.fcntl, "flock", refuse)
    (folder / ".snakemake/locks/0.input.lock").touch()
    share(folder / ".snakemake").close()
    assert (folder / ".snakemake/locks/0.input.lock").exists()
    assert "can't be locked" in capsys.readouterr().err


def test_a_dead_ones_jobs_are_ended_and_a_living_ones_go_on(folder: Path, other: subprocess.Popen[str]) -> None:
    job: int = other.job  # type: ignore[attr-defined]
    end_orphans()
    assert is_running(job)
    other.kill()
    other.wait()
    end_orphans()
    assert not is_running(job)


@pytest.mark.parametrize(("elsewhere", "batch"), [(True, False), (False, True)], ids=["another folder", "a batch job"])
def test_others_jobs_are_left_alone(folder: Path, elsewhere: bool, batch: bool) -> None:
    place = folder / "elsewhere" if elsewhere else folder
    place.mkdir(exist_ok=True)
    environment = {**os.environ, OWNER: "999999999:1", **({"SLURM_JOB_ID": "7"} if batch else {})}
    with subprocess.Popen(["sleep", "600"], cwd=place, env=environment) as job:
        time.sleep(0.1)
        end_orphans()
        assert is_running(job.pid)
        job.kill()


@pytest.mark.parametrize("alone", [True, False])
def test_what_killed_jobs_had_begun_to_write_goes_unless_another_snakemake_lives(folder: Path, alone: bool) -> None:
    results = folder / "results"
    (results / "drift/.pocket.123.tmp/tables").mkdir(parents=True)
    (results / "drift/.values.parquet.45.tmp").touch()
    (results / "embeddings").mkdir()
    kept = {results / "embeddings" / name for name in ("wildchat.npy", ".wildchat.npy.0f.partial", "notes.7.tmp")}
    for path in kept:
        path.touch()
    with share(folder / ".snakemake") as mark:
        if alone:
            remove_drafts(results, Path(mark.name))
        else:
            with share(folder / ".snakemake"):
                remove_drafts(results, Path(mark.name))
    assert {path for path in results.rglob("*") if path.is_file()} - kept == (
        set() if alone else {results / "drift/.values.parquet.45.tmp"}
    )
    assert (results / "drift/.pocket.123.tmp").exists() is not alone
    assert all(path.exists() for path in kept)


def test_results_that_cannot_be_written_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(Path("results"))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "results")
    (folder / "results").mkdir()
    with pytest.raises(ArtifactError, match=r"^results: found .* expected a folder for results"):
        prepare(Path("results"))


def test_what_is_done_before_the_first_job_stands_in_one_block() -> None:
    """Of several `onstart` blocks Snakemake keeps the last, and says nothing."""
    root = Path(__file__).parents[1]
    files = [root / "Snakefile", *(root / "rules").glob("*.smk")]
    assert [path.name for path in files if "\nonstart:" in path.read_text()] == ["start.smk"]
