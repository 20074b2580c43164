"""The wrappers between Snakemake and Slurm's commands, with fakes of those commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from valuedrift import locks
from valuedrift.errors import ClusterError
from valuedrift.workflow import slurm as cluster
from valuedrift.workflow.killed_snakemake import join
from valuedrift.workflow.slurm import cancel_leftovers, leftovers, prepare_slurm

COMMANDS = Path(__file__).parents[2] / "profiles/slurm/bin"
RUN = "01234567-89ab-cdef-0123-456789abcdef"
OTHER = "76543210-89ab-cdef-0123-456789abcdef"
DOWN = "echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1"

Pretend = Callable[..., None]


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """Make commands that run the given shell text; `sleep` takes no time."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(cluster.time, "sleep", lambda _: None)

    def make(**texts: str) -> None:
        for name, text in texts.items():
            (folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / name).chmod(0o755)

    make(sleep="exit 0")
    return make


def shipped(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One of the profile's commands, first on the PATH as in a run."""
    path = f"{COMMANDS}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [name, *arguments], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False, timeout=30
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder from which jobs are submitted."""
    folder = tmp_path / "here"
    folder.mkdir()
    return folder


def prepare(folder: Path, commands: Path) -> None:
    with join(folder / ".snakemake") as held:
        prepare_slurm(f"drift_{RUN}", Path(held.name), folder, commands)


def test_leftovers_are_this_folders_jobs_of_runs_with_this_prefix(pretend: Pretend, here: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(here)
    jobs = [
        f"1|drift_{OTHER}|{here}",
        f"2|drift_{OTHER}|{link}",
        f"3|drift_{OTHER}|{tmp_path}",
        f"4|other_{OTHER}|{here}",
        f"5|{OTHER}|{here}",
        f"6|drift_mine|{here}",
    ]
    pretend(squeue="cat <<'JOBS'\n" + "\n".join(jobs) + "\nJOBS")
    assert leftovers(f"drift_{RUN}", here) == ["1", "2"]
    assert leftovers(f"drift_{RUN}", link) == ["1", "2"]
    assert leftovers(RUN, here) == ["5"]


def test_jobs_of_a_run_that_lives_are_no_leftovers(pretend: Pretend, here: Path, tmp_path: Path) -> None:
    """Its mark is held, by whichever process; a killed one's is not. Snakemake's own folder may lie elsewhere."""
    pretend(squeue=f"echo '1|drift_{RUN}|{here}'; echo '2|drift_{OTHER}|{here}'")
    holding = "from pathlib import Path; from valuedrift.workflow import killed_snakemake, slurm as cluster;"
    holding += f"held = killed_snakemake.join(Path('{tmp_path}/.snakemake')); cluster.leftovers = lambda *_: [];"
    holding += f"cluster.prepare_slurm('drift_{OTHER}', Path(held.name), Path('{here}'), Path('x'));"
    holding += "print('held', flush=True); input()"
    command = [sys.executable, "-c", holding]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        assert leftovers(f"drift_{RUN}", here) == ["1"]
        other.kill()
        other.wait()
        assert leftovers(f"drift_{RUN}", here) == ["1", "2"]


def test_leftovers_are_cancelled_and_waited_for(
    pretend: Pretend, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "cancelled"
    pretend(squeue=f"[ -e {gone} ] || echo '7|drift_{OTHER}|{here}'", scancel=f'echo "$@" > {gone}; exit 1')
    prepare(here, Path("/first"))
    assert gone.read_text() == "7\n"
    assert capsys.readouterr().err == "Cancelling jobs that an earlier run left in this folder: 7\n"
    assert os.environ["PATH"].startswith(f"/first{os.pathsep}")


def test_jobs_that_do_not_end_stop_the_run(pretend: Pretend, here: Path) -> None:
    pretend(squeue=f"echo '7|drift_{OTHER}|{here}'", scancel="exit 0")
    with pytest.raises(ClusterError, match="jobs 7: found 'still there 0 s after scancel', expected them to end"):
        cancel_leftovers(f"drift_{RUN}", here, seconds=0)


def test_a_controller_that_never_answers_stops_the_run(
    pretend: Pretend, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE", 0.0)
    pretend(squeue=DOWN)
    with pytest.raises(ClusterError, match="squeue: found 'Unable to contact slurm controller"):
        prepare(here, here)


def test_a_controller_that_is_away_is_asked_again(pretend: Pretend, here: Path) -> None:
    pretend(squeue=f"[ -e {here}/asked ] || {{ touch {here}/asked; {DOWN}; }}")
    assert leftovers(f"drift_{RUN}", here) == []


def test_where_files_cannot_be_locked_nothing_is_cancelled_and_the_user_is_told(
    pretend: Pretend, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    mark = here / f".snakemake/valuedrift-slurm/drift_{OTHER}"
    mark.parent.mkdir(parents=True)
    mark.touch()
    pretend(squeue=f"echo '7|drift_{OTHER}|{here}'")
    prepare(here, here)
    assert "Warning: no locks in " in capsys.readouterr().err


def test_a_failed_query_answers_nothing(pretend: Pretend) -> None:
    pretend(squeue=DOWN, sacct=DOWN)
    assert [(done.returncode, done.stdout) for done in map(shipped, ("squeue", "sacct"))] == [(0, ""), (0, "")]


def test_a_query_that_works_is_passed_on(pretend: Pretend) -> None:
    pretend(squeue='echo "1|RUNNING|$*"', sacct='echo "2|COMPLETED|$*"')
    assert shipped("squeue", "--name", "x").stdout == "1|RUNNING|--name x\n"
    assert shipped("sacct", "--name", "x").stdout == "2|COMPLETED|--name x\n"


def test_without_an_accounting_database_squeue_answers_for_sacct(pretend: Pretend) -> None:
    pretend(squeue='echo "$*"', sacct="exit 1")
    assert shipped("sacct", "-X", "--name", "x").stdout == "--noheader --states=all --format=%i|%T --name x\n"
    assert shipped("sacct", "-j", "1").stdout == ""


def test_submission_is_tried_again_only_where_nothing_can_have_been_submitted(pretend: Pretend, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    pretend(sbatch=f"echo \"$*\" >> {calls}; [ $(wc -l < {calls}) = 3 ] || {{ {DOWN}; }}; echo 17; echo 'a word' >&2")
    done = shipped("sbatch", "--wrap", "two words")
    assert (done.returncode, done.stdout, done.stderr) == (0, "17\n", "a word\n")
    assert calls.read_text() == "--wrap two words\n" * 3

    calls.unlink()
    pretend(sbatch=f"echo again >> {calls}; echo 'Socket timed out' >&2; exit 1")
    done = shipped("sbatch")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "Socket timed out\n")
    assert calls.read_text() == "again\n"


def test_submission_is_given_up_with_the_snakemake_that_asked_for_it(pretend: Pretend, tmp_path: Path) -> None:
    """Otherwise a job would be submitted that no Snakemake knows."""
    tries = tmp_path / "tries"
    pretend(sbatch=f"echo try >> {tries}; [ $(wc -l < {tries}) -lt 3 ] || kill -KILL $(cat {tmp_path}/parent); {DOWN}")
    snakemake = f"echo $$ > {tmp_path}/parent; {COMMANDS}/sbatch; true"
    subprocess.run(
        ["sh", "-c", '"$@"; true', "sh", "sh", "-c", snakemake], capture_output=True, check=False, timeout=60
    )
    assert len(tries.read_text().splitlines()) >= 3
