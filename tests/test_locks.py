"""One process at a time makes an output, and the lock goes with the process."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from valuedrift import locks
from valuedrift.errors import ArtifactError
from valuedrift.locks import FOLDER, SNAKEMAKE, exclusive, holders, job_lock

OUT = "results/drift/pocket"
HOLDING = f"import sys; from valuedrift.locks import exclusive; lock = exclusive('{OUT}'); lock.__enter__();"
HOLDING += "print('held', flush=True); sys.stdin.read()"
FORKING = HOLDING.replace("print", "import os, time; os.fork() or time.sleep(600); print")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(SNAKEMAKE, raising=False)
    monkeypatch.setattr(locks, "_POLL", 0.02)
    locks._warn.cache_clear()
    return tmp_path


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of OUT."""
    with subprocess.Popen([sys.executable, "-c", HOLDING], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
        process.kill()


WAITING = f"from valuedrift import locks; locks._REMIND = 0.2\nwith locks.exclusive('{OUT}'): print('done', flush=True)"


def test_a_newcomer_waits_names_the_holder_again_and_again_and_goes_on_when_that_is_killed(
    folder: Path, holder: subprocess.Popen[str]
) -> None:
    command = [sys.executable, "-c", WAITING]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as newcomer:
        assert newcomer.stderr
        lines = [newcomer.stderr.readline() for _ in range(2)]
        assert all(f"Waiting for process {holder.pid} on " in line and OUT in line for line in lines)
        assert newcomer.poll() is None
        assert holders(folder / "results") == [lines[0].removeprefix("Waiting for ").removesuffix(".\n")]
        holder.kill()
        assert newcomer.communicate(timeout=30)[0] == "done\n"
    assert list((folder / "results").iterdir()) == [], "lock files don't outlive what they lock"


def test_other_outputs_are_not_waited_for_and_a_killed_ones_lock_file_is_removed(
    folder: Path, holder: subprocess.Popen[str]
) -> None:
    with exclusive("results/drift"), exclusive("elsewhere/pocket"):
        assert len(holders(folder / "results")) == 2
    holder.kill()
    holder.wait()
    assert holders(folder / "results") == []
    assert list((folder / "results" / FOLDER).iterdir()) == []


def test_a_lock_ends_with_its_process_though_a_forked_child_lives_on(folder: Path) -> None:
    """Such as the engine that an answering job has started."""
    with subprocess.Popen([sys.executable, "-c", FORKING], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        (child,) = psutil.Process(process.pid).children()
        assert len(holders(folder / "results")) == 1
        process.kill()
    assert child.is_running() and holders(folder / "results") == []
    child.kill()


def test_a_process_does_not_wait_for_itself(folder: Path) -> None:
    with exclusive(OUT), pytest.raises(ArtifactError, match="a lock that this process holds already"), exclusive(OUT):
        pass
    with exclusive(OUT):
        pass


def test_of_several_devices_the_main_process_alone_takes_the_lock(
    folder: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    with exclusive(OUT):
        pass


@pytest.mark.parametrize("refused", ["locks", "files"])
def test_where_locks_cannot_be_had_this_is_said_once_and_work_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], refused: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    if refused == "locks":
        monkeypatch.setattr(locks.fcntl, "flock", refuse)
    else:
        (folder / "results").touch()
    done = []
    for _ in range(2):
        with exclusive(OUT), job_lock("results/another"):
            done.append(OUT)
    assert len(done) == 2
    assert capsys.readouterr().err.count("Warning: no locks in ") == 1


def test_where_no_folder_can_be_made_work_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with exclusive("/proc/none/out"):
        pass
    assert "Warning: no locks in /proc/none/.locks" in capsys.readouterr().err


def test_a_snakemake_on_another_host_cannot_be_seen_to_have_died(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SNAKEMAKE, f"another-host:{folder}/no-such-mark")
    with job_lock(OUT):
        pass
