"""Models as rules see them: a base model, the runs that train it, their checkpoints, answers and stances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from valuedrift.config.check import Config
from valuedrift.config.grid import BASE, RESULTS, Run, checkpoint, metrics, shards, traced
from valuedrift.config.schema import Machine
from valuedrift.models.prune_weights import kept_steps
from valuedrift.workflow.project_entry import Entry
from valuedrift.workflow.project_suites import Suite

STATISTICS = ("values.parquet", "drift.parquet", "distances.parquet", "noise.parquet", "findings.json")
CORRECTED = ("corrected_values.parquet", "corrected_drift.parquet", "judge_agreement.parquet")


@dataclass(frozen=True)
class Model(Entry):
    """A model with its runs.

    Attributes:
        runs: All runs of the grid and of ablations by their lineage, each after those that it needs.
        grid: The runs of the grid itself; ablations are trained where they are asked for by name.
    """

    suite: Suite
    runs: dict[str, Run]
    grid: list[Run]

    @property
    def is_scratch(self) -> bool:
        """Whether the pipeline trains its base model."""
        return "scratch" in self.entry

    @property
    def base(self) -> str:
        """The folder of the base model's weights."""
        return checkpoint(self.name, BASE, 0)

    @property
    def stamp(self) -> str:
        """The file whose time and content say when the base model's weights were made."""
        return metrics(self.name, BASE) if self.is_scratch else f"{RESULTS}/checkpoints/{self.name}/{BASE}/source.json"

    def stamps(self, run: str) -> list[str]:
        """The stamps of the base model and, where it is another, of the run's weights."""
        return [self.stamp, *([] if run == BASE else [metrics(self.name, run)])]

    def start_stamps(self, run: Run) -> list[str]:
        """The stamps of all weights that a training run starts with."""
        return [*self.stamps(run.parent), *([metrics(self.name, run.reward)] if run.reward else [])]

    @property
    def traced(self) -> list[Run]:
        """The runs of the grid whose drift is measured: all but reward models."""
        return traced(self.grid)

    def steps(self, run: str) -> tuple[int, ...]:
        return (0,) if run == BASE else self.runs[run].steps

    def shards(self, run: str) -> list[tuple[int, ...]]:
        """The steps of a run in groups that one process answers by."""
        return shards(self.steps(run), self.suite["generation"]["shard"])

    def checkpoints(self, run: str, shard: str) -> list[str]:
        """The checkpoints of a shard."""
        return [checkpoint(self.name, run, step) for step in self.shards(run)[int(shard)]]

    def prunable(self, run: str, shard: str, machine: Machine) -> list[int]:
        """The steps of a shard whose weights `machine.keep` deletes once they have answered."""
        kept = kept_steps(self.steps(run), machine.keep, machine.nth or 1)
        return [step for step in self.shards(run)[int(shard)] if step not in kept]

    def answers(self, run: str) -> list[str]:
        return [f"{RESULTS}/generations/{self.name}/{run}/shard-{n}.parquet" for n in range(len(self.shards(run)))]

    def sampling(self, seed: int, **changed: Any) -> Config:
        """What answers depend on: the suite's settings without those that say only how answers are made."""
        settings = {**self.suite["generation"], **changed, "seed": seed}
        return {key: value for key, value in settings.items() if key not in ("shard", "engine")}

    @property
    def stances(self) -> list[str]:
        runs = [BASE, *(run.lineage for run in self.traced)]
        return [f"{RESULTS}/stances/{self.name}/{run}.parquet" for run in runs]

    @property
    def metrics(self) -> dict[str, str]:
        """What its training runs logged, by run; ablations aside."""
        runs = ([BASE] if self.is_scratch else []) + [run.lineage for run in self.grid]
        return {run: metrics(self.name, run) for run in runs}

    @property
    def scores(self) -> list[str]:
        """Scores on benchmarks of the base model, and of the last checkpoints of SFT and of runs on aligned pairs."""
        if "downstream" not in self.suite.entry:
            return []
        aligned = [self.suite["grid"].get(f"{side}_aligned") for side in ("support", "oppose")]
        ends = [(run.lineage, run.steps[-1]) for run in self.traced if run.algorithm == "sft" or run.data in aligned]
        return [f"{RESULTS}/downstream/{self.name}/{run}/step-{step:06d}.json" for run, step in [(BASE, 0), *ends]]
