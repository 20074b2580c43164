"""Faults of a cluster, met by jobs that only wait, on a real Slurm under the real profile."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from slurm_cluster import Cluster, wait_until
from slurm_runs import Run

from valuedrift.workflow.status import read_statuses, status_text

Start = Callable[..., Run]


def test_jobs_get_what_the_profile_says(start: Start, tmp_path: Path) -> None:
    """Two jobs side by side on one node have a GPU each, the third has none; all know the submitting environment."""
    run = start("wait-5-a", "wait-5-b", "cpu-1-c", PLANTED="planted")
    run.succeed()
    gpus = {(tmp_path / f"wait-5-{name}").read_text() for name in "ab"}
    assert gpus == {"0 planted\n", "1 planted\n"}
    assert (tmp_path / "cpu-1-c").read_text() == "none planted\n"
    jobs = {job["comment"]: job for job in run.jobs()}
    assert {name: (job["partition"], job["gres"]) for name, job in jobs.items()} == {
        "rule_wait_wildcards_5_a": ("gpu", "gres:gpu:1"),
        "rule_wait_wildcards_5_b": ("gpu", "gres:gpu:1"),
        "rule_world_wildcards_1_c": ("cpu", "N/A"),
    }
    wait = jobs["rule_wait_wildcards_5_a"]
    assert (wait["memory"], wait["minutes"]) == ("96000M", "2-00:00:00")


def test_what_fails_names_its_log_and_the_rest_goes_on(start: Start, tmp_path: Path) -> None:
    """One job fails, one asks for what no node has."""
    run = start("fail", "impossible", "wait-0-a", "--retries", "0")
    status, said = run.end()
    assert status == 1
    assert "Error in rule fail" in said
    assert "logs/fail.log" in said
    assert "the disk is on fire" in said
    (log,) = (tmp_path / ".snakemake/slurm_logs/rule_fail").glob("*.log")
    assert str(log) in said
    assert "SLURM sbatch failed" in said
    assert "Requested node configuration is not available" in said
    assert (tmp_path / "wait-0-a").exists()
    assert not (tmp_path / "fail").exists()


def test_what_a_killed_run_left_is_cancelled_before_anything_is_submitted(
    start: Start, cluster: Cluster, tmp_path: Path
) -> None:
    """Jobs of another Snakemake that lives in this folder, and of the user's own, go on."""
    foreign = cluster.call("sbatch", "--parsable", "--wrap", "sleep 300", "--output=/dev/null", f"--chdir={tmp_path}")
    here = tmp_path / "here"
    killed, beside = (start(f"wait-300-{name}", folder=here) for name in "ab")
    left = killed.wait_for("300_a")["id"]
    others = {foreign.strip(), beside.wait_for("300_b")["id"]}
    killed.process.send_signal(signal.SIGKILL)
    killed.process.wait()

    said = start("wait-2-a", folder=here).succeed()
    assert f"Cancelling jobs that an earlier run left in this folder: {left}\n" in said
    assert next(job["state"] for job in killed.jobs() if job["id"] == left) == "CANCELLED"
    assert {job["id"] for job in cluster.jobs("pending,running")} == others


@pytest.mark.slow
def test_a_failing_job_is_tried_again_with_more_memory(start: Start) -> None:
    run = start("fail", "--retries", "1")
    assert run.end()[0] == 1
    assert [(job["state"], job["memory"]) for job in run.jobs()] == [("FAILED", "96000M"), ("FAILED", "187.50G")]


@pytest.mark.slow
def test_a_cancelled_job_is_submitted_again(start: Start, cluster: Cluster, tmp_path: Path) -> None:
    run = start("wait-10-a")
    cluster.call("scancel", run.wait_for("10_a")["id"])
    said = run.succeed()
    assert "SLURM status is: 'CANCELLED'" in said
    assert [job["state"] for job in run.jobs()] == ["CANCELLED", "COMPLETED"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "event",
    [("requeue", "{id}"), ("update", "NodeName=gpu1", "State=down", "Reason=test")],
    ids=["preempted", "node down"],
)
def test_a_job_that_loses_its_place_is_queued_again(start: Start, cluster: Cluster, event: tuple[str, ...]) -> None:
    run = start("wait-10-a")
    job = run.wait_for("10_a")
    cluster.call("scontrol", *(word.format(**job) for word in event))
    run.succeed()
    (job,) = run.jobs()
    assert (job["state"], job["restarts"]) == ("COMPLETED", "1")


@pytest.mark.slow
def test_drained_nodes_finish_their_jobs_and_what_is_pending_waits(
    start: Start, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile, the status shows that the first job runs and that the second waits in the queue, and why."""
    monkeypatch.chdir(tmp_path)
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    run = start("after-6-a")
    run.wait_for("rule_wait_wildcards_6_a")
    (status,) = read_statuses()
    assert status.stages == {"wait": {"running": 1}}
    cluster.call("scontrol", "update", "NodeName=gpu[1-2]", "State=drain", "Reason=test")
    run.wait_for("rule_after_wildcards_6_a", "PENDING")
    (status,) = read_statuses()
    assert status.stages == {"wait": {"done": 1}, "after": {"waiting": 1}}
    assert "  after of 6/a  in Slurm's queue: " in status_text(status)
    cluster.call("scontrol", "update", "NodeName=gpu[1-2]", "State=resume")
    run.succeed()
    assert [job["state"] for job in run.jobs()] == ["COMPLETED", "COMPLETED"]


@pytest.mark.slow
def test_an_outage_of_the_controller_is_waited_out(start: Start, cluster: Cluster, tmp_path: Path) -> None:
    """One job ends while the controller is away, and the next is submitted when it is back."""
    run = start("after-6-a")
    wait_until((tmp_path / "starts-a").exists, 120, lambda: "the job has not started")
    cluster.stop("slurmctld")
    time.sleep(15)
    cluster.start("slurmctld")
    run.succeed(180)
    assert [job["state"] for job in run.jobs()] == ["COMPLETED", "COMPLETED"]
    assert (tmp_path / "starts-a").read_text() == "start\nstart\n"


@pytest.mark.slow
def test_submission_waits_for_a_controller_that_is_away(start: Start, cluster: Cluster, tmp_path: Path) -> None:
    """For longer than Slurm's own patience, times the retries."""
    run = start("after-0-a", "--retries", "0")
    run.wait_for("rule_wait_wildcards_0_a", "COMPLETED")
    cluster.stop("slurmctld")
    time.sleep(40)
    cluster.start("slurmctld")
    run.succeed(180)
    assert [job["state"] for job in run.jobs()] == ["COMPLETED", "COMPLETED"]


@pytest.mark.slow
def test_an_interrupt_cancels_the_jobs(start: Start, tmp_path: Path) -> None:
    run = start("wait-300-a", "wait-300-b")
    run.wait_for("300_b")
    run.process.send_signal(signal.SIGINT)
    status, _ = run.end(30)
    assert status == 1
    assert {job["state"] for job in run.jobs()} <= {"CANCELLED", "COMPLETING"}
    start("wait-0-a").succeed()
