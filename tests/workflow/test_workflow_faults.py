"""A full disk, a folder that can't be written, clocks that jump, two Snakemakes, a kill: a clear word and no damage."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from killing import made
from pipeline import REPOSITORY, command, snakemake

pytestmark = pytest.mark.workflow

# Two short jobs: a world's table, and the data set made from it.
TARGET = "results/data/pocket/wildchat/train.parquet"
SOURCE = "results/world/pocket/wildchat.parquet"
LOG = "results/logs/data/pocket/wildchat.log"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("undisturbed")
    snakemake(folder, TARGET)
    return made(folder, ".parquet")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 100 kB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"file systems can't be mounted here: {mounted.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def test_a_full_disk_is_said_and_space_is_all_it_needs(small_disk: Path, undisturbed: dict[str, str]) -> None:
    assert "A disk or a quota is full. Free space and run again" in snakemake(small_disk, TARGET, fails=True)
    assert not (small_disk / TARGET).exists()
    remount(small_disk, "size=50m")
    snakemake(small_disk, TARGET)
    assert made(small_disk, ".parquet") == undisturbed


def test_results_that_cannot_be_written_are_named_before_any_job(small_disk: Path, undisturbed: dict[str, str]) -> None:
    folder, results = small_disk.parent, small_disk.parent / "results"
    results.symlink_to(small_disk)
    remount(small_disk, "size=50m")
    snakemake(folder, SOURCE)
    before = made(folder, ".parquet")
    remount(small_disk, "ro")
    assert "found 'no permission to write'" in snakemake(folder, TARGET, fails=True)
    assert made(folder, ".parquet") == before
    remount(small_disk, "rw")
    snakemake(folder, TARGET)
    assert made(folder, ".parquet") == undisturbed


def test_results_that_lead_nowhere_are_told_before_any_job(tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to("nowhere")
    assert 'found "a link to nowhere, which doesn\'t exist"' in snakemake(tmp_path, SOURCE, fails=True)
    (tmp_path / "results").unlink()
    (tmp_path / "results").touch()
    assert "found 'a file', expected a folder for results" in snakemake(tmp_path, SOURCE, fails=True)


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="only root can give a folder away")
def test_a_folder_of_another_user_is_told_without_a_traceback(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o755)  # noqa: PTH101
    os.chown(tmp_path, 12345, 12345)
    rights = "-dac_override,-dac_read_search,-fowner"
    weak = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", "--"]
    run = subprocess.run([*weak, *command(tmp_path, SOURCE)], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert f"error: {tmp_path}/.snakemake: Permission denied. Check the path, its owner" in run.stderr
    assert "Traceback" not in run.stderr


def test_files_of_the_future_stop_the_run_before_any_job(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    snakemake(tmp_path, SOURCE)
    tomorrow = time.time() + 86400
    os.utime(tmp_path / SOURCE, (tomorrow, tomorrow))
    assert f"{SOURCE}: found 'made at " in snakemake(tmp_path, TARGET, fails=True)
    assert not (tmp_path / LOG).exists()
    snakemake(tmp_path, TARGET, options=("--touch", "--forceall"))
    snakemake(tmp_path, TARGET)
    assert made(tmp_path, ".parquet") == undisturbed


def start(folder: Path) -> subprocess.Popen[str]:
    """Snakemake in a session of its own, once it has locked the folder and started its first job."""
    process = subprocess.Popen(command(folder, TARGET), stdout=-1, stderr=subprocess.STDOUT, text=True, cwd=REPOSITORY)
    until = time.monotonic() + 120
    while not any((folder / "results/logs").rglob("*.log")) and time.monotonic() < until:
        time.sleep(0.02)
    assert process.poll() is None
    return process


def test_the_second_of_two_is_refused_and_the_first_goes_on(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    with start(tmp_path) as first:
        first.send_signal(signal.SIGSTOP)  # so that it is still there
        try:
            assert "Directory cannot be locked" in snakemake(tmp_path, TARGET, fails=True)
        finally:
            first.send_signal(signal.SIGCONT)
        said, _ = first.communicate()
        assert first.returncode == 0, said
    assert made(tmp_path, ".parquet") == undisturbed


def test_after_a_kill_the_same_command_is_enough(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    with start(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
    assert "removing its stale lock" in snakemake(tmp_path, TARGET)
    assert made(tmp_path, ".parquet") == undisturbed
