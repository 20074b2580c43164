"""Jobs fork from a server: what they print, how they end, and what ends them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from valuedrift import job_server
from valuedrift.job_server import ONE_THREAD, SERVER
from valuedrift.locks import SNAKEMAKE, exclusive

COMMAND = [sys.executable, "-m", "valuedrift"]
MISSING = ["documents", "--data", "missing.parquet", "--out", "documents.parquet"]
REFUSED = ["prepare", "--settings", "{}", "--seed", "0", "--out", "data"]
CONFIGURATION = ["configuration", "--settings", "{}", "--out", "configuration.yaml"]

# Imports what every command of the rules imports, and prints the threads that would hinder a fork.
LOADED = """
from valuedrift.cli.application import JOBS, commands
from valuedrift.job_server import _HARMLESS, _threads, load
for command in commands(JOBS):
    load(command)
print(sorted(_threads() - _HARMLESS))
"""

Server = subprocess.Popen[bytes]
Job = subprocess.Popen[str]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server as Snakemake's; its working directory and some variables are not those of the jobs.

    A file in the working directory has the name of a module that the server imports.
    """
    for name, value in {**ONE_THREAD, SERVER: ""}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # it changes from the set-up of a test to its call
    monkeypatch.setattr(psutil.Process, "children", psutil.Process.children)
    (tmp_path / "socket.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    started = job_server.start()
    assert started and started.stdin
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield started
    started.stdin.close()
    started.wait(60)


@pytest.fixture
def job(server: Server) -> Iterator[Job]:
    """A job that waits for a lock, in a fork of the server."""
    with exclusive("documents.parquet"):
        started = subprocess.Popen([*COMMAND, *MISSING], stderr=subprocess.PIPE, text=True, env=variables())
        assert started.stderr and started.stderr.readline().startswith("Waiting for process ")
        yield started
        started.kill()
        started.communicate()


def variables(**more: str) -> dict[str, str]:
    """The variables of a job."""
    return {name: value for name, value in {**os.environ, **more}.items() if name != "PYTEST_CURRENT_TEST"}


def has_forked(server: Server) -> bool:
    """Whether a fork has ended: the page faults of a process's children are counted then."""
    return int(Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[8]) > 0


def fork_of(server: Server) -> psutil.Process:
    (fork,) = psutil.Process(server.pid).children()
    return fork


def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, env=variables(**more))


def soon(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("words", [["--version"], ["trane"], REFUSED, CONFIGURATION])
def test_a_fork_does_what_a_process_of_its_own_does(server: Server, words: list[str]) -> None:
    def done(**more: str) -> tuple[int, str, str, dict[str, bytes]]:
        ended = run(*words, **more)
        files = {path.name: path.read_bytes() for path in Path().iterdir() if path.is_file()}
        return ended.returncode, ended.stdout, ended.stderr, files

    by_itself = done(**{SERVER: ""})
    assert not has_forked(server)
    assert done() == by_itself
    assert has_forked(server)


def test_a_fork_has_the_folder_and_the_variables_of_its_command(job: Job, server: Server, tmp_path: Path) -> None:
    assert fork_of(server).cwd() == str(tmp_path / "work")


def test_a_job_with_other_variables_runs_by_itself(server: Server) -> None:
    with exclusive("documents.parquet"):
        job = subprocess.Popen([*COMMAND, *MISSING], stderr=subprocess.PIPE, text=True, env=variables(HF_HOME="x"))
        assert job.stderr and job.stderr.readline().startswith("Waiting for process ")
        assert psutil.Process(server.pid).children() == []
        job.kill()
        job.communicate()


def test_a_server_forks_for_jobs_of_another_snakemake(server: Server) -> None:
    assert run("--version", **{SNAKEMAKE: "another:mark"}).returncode == 0
    assert has_forked(server)


def test_without_its_server_a_job_runs_by_itself(server: Server) -> None:
    server.kill()
    server.wait()
    assert run("--version").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_the_command_ends_its_fork(job: Job, server: Server, number: int) -> None:
    fork = fork_of(server)
    job.send_signal(number)
    assert job.wait(60) == -number
    soon(lambda: not fork.is_running())


def test_an_interrupt_ends_a_fork_as_it_ends_a_process(job: Job, server: Server) -> None:
    job.send_signal(signal.SIGINT)
    assert job.stderr and job.stderr.read().endswith("error: interrupted\n")
    assert job.wait(60) == 130


def test_a_stopped_command_stops_its_fork(job: Job, server: Server) -> None:
    fork = fork_of(server)
    job.send_signal(signal.SIGTSTP)
    soon(lambda: fork.status() == psutil.STATUS_STOPPED)
    job.send_signal(signal.SIGCONT)
    soon(lambda: fork.status() != psutil.STATUS_STOPPED)


def test_a_killed_fork_ends_its_command(job: Job, server: Server) -> None:
    fork_of(server).kill()
    assert job.wait(60) == -signal.SIGKILL


def test_a_killed_server_leaves_no_fork(job: Job, server: Server) -> None:
    fork = fork_of(server)
    server.kill()
    assert job.wait(60) == -signal.SIGKILL
    soon(lambda: not fork.is_running())


def test_when_snakemake_ends_running_jobs_go_on_and_the_server_ends_after_them(job: Job, server: Server) -> None:
    fork = fork_of(server)
    assert server.stdin
    server.stdin.close()
    assert run("--version").returncode == 0
    assert not has_forked(server)
    assert server.poll() is None and fork.is_running()
    job.kill()
    assert server.wait(60) == 0


def test_benchmarks_count_a_fork_for_its_command(job: Job, server: Server) -> None:
    fork = fork_of(server)
    assert psutil.Process(job.pid).children(recursive=True) == [fork]
    assert fork in psutil.Process().children(recursive=True)


def test_where_processes_cannot_be_watched_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert job_server.start() is None


def test_a_command_that_ends_before_it_is_read_changes_nothing(server: Server) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(f"\0{os.environ[SERVER]}")
    assert run("--version").returncode == 0
    assert has_forked(server)


def test_no_command_of_the_rules_starts_a_thread_when_it_is_imported() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, env={**os.environ, **ONE_THREAD}
    )
    assert loaded.stdout == "[]\n", loaded.stderr
