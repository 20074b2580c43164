"""Models for the rules: a base model, the runs that train it, their checkpoints, answers and stances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from valuedrift.config.chat import Chat
from valuedrift.config.check import Config
from valuedrift.config.grid import RESULTS, Run, checkpoint, metrics, shards, traced
from valuedrift.config.sampling import SHARD
from valuedrift.config.schema import Machine
from valuedrift.config.stages import BASE
from valuedrift.models.prune_weights import kept_steps
from valuedrift.workflow.project_entry import Entry
from valuedrift.workflow.project_suites import Suite

_FORMAT = ("template", "eos", "pad")
_MEASURES = ("values", "drift", "distances", "noise", "health", "framing")
STATISTICS = (*(f"{name}.parquet" for name in _MEASURES), "findings.json")
CORRECTED = ("corrected_values.parquet", "corrected_drift.parquet", "judge_agreement.parquet")


@dataclass(frozen=True)
class Model(Entry):
    """A model with its runs.

    Attributes:
        suite: The model's suite.
        runs: Lineage → run, for all runs of the grid and of ablations, each after the runs that it needs.
        grid: The runs of the grid only; ablations are trained only if they are requested by name.
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
        """The file whose time and content change when the base model's weights are made."""
        return metrics(self.name, BASE) if self.is_scratch else f"{RESULTS}/checkpoints/{self.name}/{BASE}/source.json"

    def stamps(self, run: str) -> list[str]:
        """Return the stamps of the base model and, if the run isn't the base, of the run's weights."""
        return [self.stamp, *([] if run == BASE else [metrics(self.name, run)])]

    def start_stamps(self, run: Run) -> list[str]:
        """Return the stamps of all weights that a run starts with."""
        return [*self.stamps(run.parent), *([metrics(self.name, run.reward)] if run.reward else [])]

    @property
    def traced(self) -> list[Run]:
        """The runs of the grid whose drift is measured: all except reward models."""
        return traced(self.grid)

    def steps(self, run: str) -> tuple[int, ...]:
        return (0,) if run == BASE else self.runs[run].steps

    def shards(self, run: str) -> list[tuple[int, ...]]:
        """Return the steps of a run in groups; one process generates the answers of a group."""
        return shards(self.steps(run), self.suite["generation"].get("shard", SHARD))

    def checkpoints(self, run: str, shard: str) -> list[str]:
        """Return the checkpoints of a shard."""
        return [checkpoint(self.name, run, step) for step in self.shards(run)[int(shard)]]

    def prunable(self, run: str, shard: str, machine: Machine) -> list[int]:
        """Return the steps of a shard whose weights are deleted after they have answered, by `machine.keep`."""
        if self.suite.controls:  # which may be asked later
            return []
        kept = kept_steps(self.steps(run), machine.keep, machine.nth or 1)
        return [step for step in self.shards(run)[int(shard)] if step not in kept]

    def answers(self, run: str) -> list[str]:
        return [f"{RESULTS}/generations/{self.name}/{run}/shard-{n}.parquet" for n in range(len(self.shards(run)))]

    def sampling(self, seed: int, **changed: Any) -> Config:
        """Return the settings that answers depend on: those of the suite's `generation` without shard and engine."""
        asked = {"chat": self._asked} if self._asked else {}
        settings = {**self.suite["generation"], **changed, **asked, "seed": seed}
        return {key: value for key, value in settings.items() if key not in ("shard", "engine")}

    @property
    def format(self) -> Config:
        """The chat template, end and padding tokens that a fetched base model gets; empty if it keeps its own."""
        chat = self.entry.get("chat", {})
        return {key: chat[key] for key in _FORMAT} if Chat.read(chat).is_trainable else {}

    @property
    def _asked(self) -> Config:
        """How checkpoints are asked, apart from the format that all of them get from a fetched base model."""
        chat = self.entry.get("chat", {})
        told = {key: value for key, value in chat.items() if self.entry.get("stages") or key not in self.format}
        return told | ({"template": Chat.read(chat).with_text().template} if "template" in told else {})

    @property
    def stances(self) -> list[str]:
        runs = [BASE, *(run.lineage for run in self.traced)]
        return [f"{RESULTS}/stances/{self.name}/{run}.parquet" for run in runs]

    @property
    def control_stances(self) -> list[str]:
        """Stance tables of the answers to value-free questions; none if these aren't asked."""
        runs = [BASE, *(run.lineage for run in self.traced)] if self.suite.controls else []
        return [f"{RESULTS}/controls/{self.name}/{run}/stances.parquet" for run in runs]

    @property
    def metrics(self) -> dict[str, str]:
        """Run → its training metrics, without ablations."""
        runs = ([BASE] if self.is_scratch else []) + [run.lineage for run in self.grid]
        return {run: metrics(self.name, run) for run in runs}

    @property
    def scores(self) -> list[str]:
        """Benchmark scores of the base model, and of the last checkpoints of SFT and of runs on aligned pairs."""
        if "downstream" not in self.suite.entry:
            return []
        aligned = [self.suite["grid"].get(f"{side}_aligned") for side in ("support", "oppose")]
        ends = [(run.lineage, run.steps[-1]) for run in self.traced if run.algorithm == "sft" or run.data in aligned]
        return [f"{RESULTS}/downstream/{self.name}/{run}/step-{step:06d}.json" for run, step in [(BASE, 0), *ends]]
