"""Snakemake on the tests' Slurm."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from slurm_cluster import Cluster, wait_until

REPOSITORY = Path(__file__).parents[2]


class Run:
    """A Snakemake with the Slurm profile in a folder; its output goes to a file there."""

    def __init__(self, folder: Path, command: list[str], cluster: Cluster, environment: dict[str, str]) -> None:
        self.cluster, self.folder, self.output = cluster, folder, folder / f"said-{time.time_ns()}.txt"
        everything = {**cluster.environment, **environment}
        # A test that trained in this process has chosen a GPU for it; Slurm's jobs would be told.
        everything.pop("CUDA_VISIBLE_DEVICES", None)
        with self.output.open("w") as file:
            self.process = subprocess.Popen(command, cwd=folder, env=everything, stdout=file, stderr=file)

    def end(self, seconds: float = 240) -> tuple[int, str]:
        """Its status and what it said."""
        status = self.process.wait(seconds)
        return status, self.output.read_text()

    def succeed(self, seconds: float = 240) -> str:
        """What it said, once it has ended well."""
        status, said = self.end(seconds)
        assert status == 0, said[-8000:]
        return said

    def wait_for(self, name: str, state: str = "RUNNING", seconds: float = 120) -> dict[str, str]:
        """The newest job of this folder with this output, once it is in that state."""

        def found() -> list[dict[str, str]]:
            jobs = [job for job in self.jobs() if job["comment"].endswith(name)]
            return [job for job in jobs[-1:] if job["state"] == state]

        wait_until(lambda: bool(found()), seconds, lambda: f"{self.jobs()}\n{self.output.read_text()}")
        return found()[0]

    def jobs(self, states: str = "all") -> list[dict[str, str]]:
        return [job for job in self.cluster.jobs(states) if Path(job["folder"]) == self.folder]
