"""The repository's configuration in a folder without results, and benchmark files as Snakemake writes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from valuedrift.workflow.job_costs import JobCosts
from valuedrift.workflow.job_sizes import Sizes
from valuedrift.workflow.project import Project

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def project() -> Project:
    return Project.read(yaml.safe_load((REPOSITORY / "workflow_config.yaml").read_text()))


@pytest.fixture
def costs(project: Project, tmp_path: Path) -> JobCosts:
    return JobCosts(Sizes(project, tmp_path))


@pytest.fixture
def finish(tmp_path: Path) -> Callable[[str, float], None]:
    """Write the benchmark file of the job with this key, which took so many wall seconds."""

    def write(key: str, seconds: float, memory: str = "-") -> None:
        path = tmp_path / f"results/benchmarks/{key}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\tmax_rss\tmax_vms\n{seconds}\t0:00:00\t{memory}\t-\n")

    return write
