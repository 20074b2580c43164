"""One Slurm for all tests of this folder, and Snakemake on it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_cluster import Cluster, missing_programs, running_cluster
from slurm_runs import REPOSITORY, Run

TOY = Path(__file__).parent / "toy.smk"
PROFILE = REPOSITORY / "profiles/slurm/config.yaml"
# The profile's defaults suit jobs of hours.
HASTE = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5")


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if missing := missing_programs():
        pytest.skip(f"no {', '.join(missing)}; on Debian: apt install slurmctld slurmd slurm-client")
    with running_cluster(tmp_path_factory.mktemp("slurm") / "cluster") as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster, without jobs and with all nodes, before and after."""
    yield shared_cluster
    shared_cluster.clear()


@pytest.fixture(scope="session")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The profile with the account put in and the file of partitions used, where it says so."""
    folder = tmp_path_factory.mktemp("profile") / "slurm"
    shutil.copytree(PROFILE.parent, folder)
    text = PROFILE.read_text()
    for line in ("slurm_account: my_account", "slurm-partition-config: profiles/slurm/partitions.yaml"):
        assert text.count(f"# {line}") == 1
        text = text.replace(f"# {line}", line)
    text = text.replace("my_account", "lab_account").replace("profiles/slurm/partitions", str(folder / "partitions"))
    (folder / "config.yaml").write_text(text)
    return folder


@pytest.fixture
def start(cluster: Cluster, profile: Path, tmp_path: Path) -> Iterator[object]:
    """Start Snakemake with these arguments in the test's folder or another; what still runs is killed at the end."""
    runs: list[Run] = []

    def begin(*arguments: str, folder: Path = tmp_path, snakefile: Path = TOY, **environment: str) -> Run:
        folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile), "--profile", str(profile)]
        runs.append(Run(folder, [*command, *HASTE, *arguments], cluster, environment))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()
