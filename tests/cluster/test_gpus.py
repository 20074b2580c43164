"""One machine with several GPUs: each job sees devices that no other job holds. The devices are only numbers here."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TOY = Path(__file__).parent / "toy.smk"
SHELL = REPOSITORY / "profiles/gpus/take-gpus"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "VALUEDRIFT_LOCKS": str(tmp_path / "locks"), "CUDA_VISIBLE_DEVICES": "5,7"}


@pytest.fixture
def holder(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A job that holds the first device for as long as it lives."""
    command = [SHELL, "-c", "GPUS=1; echo $CUDA_VISIBLE_DEVICES; exec sleep 60"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "5\n"
    yield process
    process.kill()
    process.wait()


def shown(gpus: int, environment: dict[str, str], **changed: str) -> subprocess.CompletedProcess[str]:
    command = [SHELL, "-c", f'GPUS={gpus} true; echo "<$CUDA_VISIBLE_DEVICES>"']
    return subprocess.run(
        command, env={**environment, **changed}, capture_output=True, text=True, check=False, timeout=30
    )


def test_a_job_gets_a_free_device(holder: subprocess.Popen[str], environment: dict[str, str]) -> None:
    assert [shown(1, environment).stdout for _ in range(2)] == ["<7>\n", "<7>\n"]


def test_a_killed_job_gives_its_device_back(holder: subprocess.Popen[str], environment: dict[str, str]) -> None:
    holder.kill()
    holder.wait()
    assert shown(1, environment).stdout == "<5>\n"


@pytest.mark.parametrize(("gpus", "devices"), [(1, "5"), (2, "5,7")])
def test_a_job_waits_for_what_another_holds(
    holder: subprocess.Popen[str], environment: dict[str, str], gpus: int, devices: str
) -> None:
    command = [SHELL, "-c", f"GPUS={gpus}; echo $CUDA_VISIBLE_DEVICES"]
    alone = {**environment, "CUDA_VISIBLE_DEVICES": devices}
    with subprocess.Popen(command, env=alone, stdout=subprocess.PIPE, text=True) as waiting:
        time.sleep(2)
        assert waiting.poll() is None
        holder.kill()
        assert waiting.communicate(timeout=30)[0] == f"{devices}\n"


def test_other_jobs_see_no_device(environment: dict[str, str]) -> None:
    assert shown(0, environment).stdout == "<>\n"
    other = subprocess.run(
        [SHELL, "-c", "echo $CUDA_VISIBLE_DEVICES"], env=environment, capture_output=True, check=True
    )
    assert other.stdout == b"\n"


@pytest.mark.parametrize(("gpus", "devices", "there"), [(1, "", 0), (4, "5,7", 2)])
def test_without_enough_devices_the_job_ends_and_says_so(
    environment: dict[str, str], gpus: int, devices: str, there: int
) -> None:
    found = shown(gpus, environment, CUDA_VISIBLE_DEVICES=devices)
    assert found.returncode == 1
    assert f"asks for {gpus} GPU(s), found {there}" in found.stderr


def test_devices_are_those_of_nvidia_smi(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    del environment["CUDA_VISIBLE_DEVICES"]
    assert shown(2, environment, PATH=f"{tmp_path}:{os.environ['PATH']}").stdout == "<0,1>\n"


def test_the_profile_gives_each_job_a_device(environment: dict[str, str], tmp_path: Path) -> None:
    """Three jobs on two devices, and one that needs none."""
    (tmp_path / "profiles").symlink_to(REPOSITORY / "profiles")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(TOY), "--profile", "profiles/gpus"]
    targets = ["wait-3-a", "wait-3-b", "wait-3-c", "cpu-0-d"]
    run = subprocess.run(
        [*command, "--resources", "gpu=2", "--", *targets],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    devices = [(tmp_path / target).read_text().strip() for target in targets]
    assert set(devices[:3]) == {"5", "7"}
    assert devices[3] == ""
