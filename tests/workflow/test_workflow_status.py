"""What `valuedrift status` and a run itself print of a run with a finished, a failed, a running and a waiting job."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from valuedrift.cli import main
from valuedrift.workflow.status import Status, read_statuses, status_text

# The failing job quotes the log of a Snakemake of its own, as jobs on Slurm do. `slow` runs until there is a file `go`.
SNAKEFILE = r"""
from pathlib import Path
from valuedrift.workflow.job_graph import Job
from valuedrift.workflow.job_costs import Work
from valuedrift.workflow.killed_snakemake import join
from valuedrift.workflow.plan import Estimate
from valuedrift.workflow.run_guard import save_predictions

MARK = join(Path(".snakemake"))
onstart:
    Path("results").mkdir(exist_ok=True)
    jobs = ("quick", 10), ("bad", 20), ("slow", 30), ("last", 40)
    save_predictions([Estimate(Job(name, "a"), Work("cpu", seconds), seconds) for name, seconds in jobs])
rule all:
    input: expand("results/{name}/a.txt", name=["quick", "bad", "last"])
rule quick:
    output: "results/quick/{x}.txt"
    log: "results/logs/quick/{x}.log"
    benchmark: "results/benchmarks/quick/{x}.tsv"
    shell: "echo a line > {log}; echo > {output}"
rule bad:
    input: "results/quick/{x}.txt"
    output: "results/bad/{x}.txt"
    log: "results/logs/bad/{x}.log"
    benchmark: "results/benchmarks/bad/{x}.tsv"
    shell: "printf 'SNAKEMAKE\n=========\nrule inner:\n    jobid: 0\nFinished jobid: 2 (x)\nno disk\n' > {log}; exit 1"
rule slow:
    input: "results/quick/{x}.txt"
    output: "results/slow/{x}.txt"
    log: "results/logs/slow/{x}.log"
    benchmark: "results/benchmarks/slow/{x}.tsv"
    shell: "printf 'step 1/2\rstep 2/2, 9 s left\x1b\n' > {log}; until [[ -e go ]]; do sleep 0.1; done; echo > {output}"
rule last:
    input: "results/slow/{x}.txt"
    output: "results/last/{x}.txt"
    log: "results/logs/last/{x}.log"
    benchmark: "results/benchmarks/last/{x}.tsv"
    shell: "echo > {output}"
"""
COMMAND = [sys.executable, "-m", "snakemake", "--logger", "valuedrift", "--cores", "2", "-k", "--show-failed-logs"]


def with_a_failure() -> Status:
    """The status, once the failing job has failed and the slow one has a log."""
    for _ in range(600):
        if Path("results/logs/slow/a.log").is_file():
            (found,) = read_statuses()
            if any(job.failed for job in found.run.jobs.values()):
                return found
        time.sleep(0.1)
    raise AssertionError("no failure in a minute")


@dataclass(frozen=True)
class Seen:
    """The status while the slow job runs, with its text, what the run printed, and the status at its end."""

    during: Status
    during_text: str
    said: str
    after: Status
    after_text: str


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        Path("Snakefile").write_text(SNAKEFILE)
        with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            during = with_a_failure()
            text = status_text(during)
            Path("go").touch()
            said, _ = process.communicate(timeout=60)
        (after,) = read_statuses()
        return Seen(during, text, said, after, status_text(after))


def test_a_run_is_shown_by_stage(seen: Seen) -> None:
    during, after = seen.during, seen.after
    states = {"quick": "done", "bad": "failed", "slow": "running", "last": "waiting"}
    assert {stage: dict(counts) for stage, counts in during.stages.items()} == {
        stage: {state: 1} for stage, state in states.items()
    }
    assert during.running and not during.run.ended
    assert {stage: dict(counts) for stage, counts in after.stages.items()} == {
        stage: {"failed" if stage == "bad" else "done": 1} for stage in states
    }
    assert after.run.ended and not after.running
    assert after.left is None


def test_the_time_left_is_that_of_the_plan_at_the_pace_so_far(seen: Seen) -> None:
    during = seen.during
    # 30 of the planned 100 s are done, and a part of the 30 s of the slow job.
    assert during.left is not None
    assert 40 / 60 * during.elapsed < during.left <= 70 / 30 * during.elapsed


def test_running_jobs_are_shown_with_the_last_line_of_their_log(seen: Seen) -> None:
    text = seen.during_text
    assert re.search(r"^running:\n  slow of a +\d\.\d s  step 2/2, 9 s left⟨U\+001B⟩$", text, re.MULTILINE), text
    assert re.search(
        r"^running for \d\.\d s, about \d+(\.\d)? s left: __main__.py --logger valuedrift ", text, re.MULTILINE
    )
    assert re.search(r"^disk: results takes \d.*, \d.* are free$", text, re.MULTILINE)


def test_failures_are_shown_with_their_logs(seen: Seen) -> None:
    text = seen.after_text
    assert "failed:\n  bad of a: see results/logs/bad/a.log\n" in text
    assert re.search(r"^total +3 +0 +0 +1$", text, re.MULTILINE), text


def test_a_run_prints_a_line_per_job_and_the_logs_of_failures(seen: Seen) -> None:
    lines = seen.said.splitlines()
    assert [line.split("  ")[1:3] for line in lines if "of a  " in line] == [
        ["1/5", "quick of a"],
        ["2/5", "slow of a"],
        ["3/5", "last of a"],
    ]
    assert "5 jobs. `valuedrift status` shows how far they are." in lines
    assert "no disk" in lines
    assert not [line for line in lines if line.startswith(("Select jobs", "Building DAG", "rule quick", "Using shell"))]


def test_a_terminal_has_a_bar_with_the_jobs_that_run(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    master, terminal = pty.openpty()
    with subprocess.Popen([*COMMAND, "results/last/a.txt"], stderr=terminal, cwd=tmp_path):
        os.close(terminal)
        shown = b""
        while part := _read(master):
            shown += part
            if b"slow of a" in shown:
                (tmp_path / "go").touch()
    text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown.decode())
    assert re.search(r"━ 1/3 0:00:0\d slow of a", text), text
    assert re.search(r"\d\d:\d\d:\d\d  3/3  last of a  ", text), text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # all its writers have ended
        return b""


def test_more_is_printed_on_request(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    done = subprocess.run([*COMMAND, "-p", "results/quick/a.txt"], cwd=tmp_path, capture_output=True, text=True)
    assert "rule quick:\n    output: results/quick/a.txt\n" in done.stderr
    assert "echo a line > results/logs/quick/a.log" in done.stderr


def test_a_killed_run_is_reported_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("Snakefile").write_text(SNAKEFILE)
    with subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        with_a_failure()
        process.kill()
    Path("go").touch()  # ends its job
    text = status_text(read_statuses()[0])
    assert re.search(r"^killed after \d.*: __main__.py ", text)
    assert "cut off:\n  slow of a" in text


def test_the_status_of_a_folder_without_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["status", "--watch"]) == 0
    assert capsys.readouterr().out == "No job has been run in this folder yet.\n"
