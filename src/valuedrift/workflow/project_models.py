"""Models for the rules: a base model, the runs that train it or were found, their checkpoints, answers and stances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from valuedrift.config.chat import Chat
from valuedrift.config.check import Config
from valuedrift.config.grid import RESULTS, Run, metrics, shards, traced
from valuedrift.config.sampling import SHARD
from valuedrift.config.schema import Machine
from valuedrift.config.stages import BASE
from valuedrift.models.prune_weights import kept_steps
from valuedrift.workflow.project_entry import Entry
from valuedrift.workflow.project_suites import Suite

_FORMAT = ("template", "eos", "pad")
_MEASURES = ("values", "drift", "distances", "noise", "health", "framing")
STATISTICS = (*(f"{name}.parquet" for name in _MEASURES), "findings.json")
COMPARED = ("agreement.parquet", "drift.parquet", "findings.parquet")
CORRECTED = ("corrected_values.parquet", "corrected_drift.parquet", "judge_agreement.parquet")


@dataclass(frozen=True)
class Model(Entry):
    """A model with its runs.

    Attributes:
        suite: The model's suite.
        runs: Lineage → run, for all runs of the grid, found stages and ablations, each after the runs that it needs.
        grid: The runs of the grid and found stages only; ablations are trained only if they are requested by name.
    """

    suite: Suite
    runs: dict[str, Run]
    grid: list[Run]

    @property
    def is_scratch(self) -> bool:
        """Whether the pipeline trains its base model."""
        return "scratch" in self.entry

    @property
    def has_base(self) -> bool:
        """Whether it has a base model; if not, its lineage begins with a found stage."""
        return self.is_scratch or bool(self.source)

    @cached_property
    def every(self) -> dict[str, Run]:
        """Lineage → run, with the base model as a run of one step."""
        base = Run(self.name, self.suite.name, BASE, "", None, 0, (0,))
        return {**({BASE: base} if self.has_base else {}), **self.runs}

    @property
    def trained(self) -> list[Run]:
        """The runs that the pipeline trains."""
        return [run for run in self.runs.values() if not run.found]

    @property
    def traced(self) -> list[Run]:
        """The runs of the grid whose drift is measured: all except reward models."""
        return traced(self.grid)

    @property
    def answered(self) -> list[str]:
        """The base model and the runs whose drift is measured."""
        return [*([BASE] if self.has_base else []), *(run.lineage for run in self.traced)]

    @property
    def trajectories(self) -> list[Config]:
        """The runs whose drift is measured, as valuedrift.statistics reads them; a lone checkpoint has no drift."""
        return [run.trajectory() for run in self.traced if run.parent or len(run.steps) > 1]

    @property
    def stamp(self) -> str:
        """The file whose time and content change when the base model's weights are made."""
        return metrics(self.name, BASE) if self.is_scratch else f"{RESULTS}/checkpoints/{self.name}/{BASE}/source.json"

    def origin(self, run: str) -> Run:
        """Return the run whose tokenizer and architecture a run has: the nearest found whole model, or the base."""
        own = self.every[run]
        is_whole = own.found and not own.found[-1].is_adapter
        return self.origin(own.parent) if own.parent and not is_whole else own

    def base_of(self, run: str, shard: str) -> str:
        """Return the folder with the architecture of a shard's checkpoints."""
        origin = self.origin(run)
        return self.checkpoints(run, shard)[0] if origin is self.every[run] else origin.checkpoints[-1]

    def stamps(self, run: str) -> list[str]:
        """Return the stamps of the base model, if the run has its tokenizer, and of the run's weights.

        Checkpoints on the hub have their commits; those in folders have none, and `found` tells whether they changed.
        """
        stamp = [self.stamp] if self.origin(run).algorithm == BASE else []
        if self.hub_sources(run):
            return [*stamp, f"{RESULTS}/checkpoints/{self.name}/{run}/source.json"]
        has_own = run == BASE or self.runs[run].found
        return [*stamp, *([] if has_own else [metrics(self.name, run)])]

    def hub_sources(self, run: str) -> Config:
        """Return step → name, revision and subfolder of a run's checkpoints on the hub; empty for any other run."""
        return {f"{one.step}": one.source["hub"] for one in self.every[run].found if "hub" in one.source}

    def fetched_after(self, run: str, step: int) -> list[str]:
        """Return the answers that the download of a checkpoint waits for, so that at most two shards are on disk."""
        shard = next(number for number, steps in enumerate(self.shards(run)) if step in steps)
        return self.answers(run)[max(0, shard - 2) : max(0, shard - 1)]

    def start_stamps(self, run: Run) -> list[str]:
        """Return the stamps of all weights that a run starts with."""
        assert run.parent
        return [*self.stamps(run.parent), *([metrics(self.name, run.reward)] if run.reward else [])]

    def found(self, run: str, steps: Sequence[int]) -> dict[str, Any]:
        """Return step → where a found checkpoint is and the digest of its state; empty for a trained run."""
        return {f"{one.step}": [one.source, one.identity] for one in self.every[run].found if one.step in steps}

    def steps(self, run: str) -> tuple[int, ...]:
        return self.every[run].steps

    def shards(self, run: str) -> list[tuple[int, ...]]:
        """Return the steps of a run in groups; one process generates the answers of a group."""
        return shards(self.steps(run), self.suite["generation"].get("shard", SHARD))

    def checkpoints(self, run: str, shard: str) -> list[str]:
        """Return the checkpoints of a shard."""
        return [self.every[run].checkpoint(step) for step in self.shards(run)[int(shard)]]

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
        return [f"{RESULTS}/stances/{self.name}/{run}.parquet" for run in self.answered]

    def stances_by(self, judge: str) -> list[str]:
        """Return the stance tables by one of several judges."""
        return [f"{RESULTS}/judges/{judge}/stances/{self.name}/{run}.parquet" for run in self.answered]

    @property
    def comparisons(self) -> list[str]:
        """What several judges of the suite, or its reference judge, have in common with the others."""
        names = (*(COMPARED if len(self.suite.judges) > 1 else ()), *(["reference.json"] * bool(self.suite.reference)))
        return [f"{RESULTS}/agreement/{self.name}/{name}" for name in names]

    @property
    def control_stances(self) -> list[str]:
        """Stance tables of the answers to value-free questions; none if these aren't asked."""
        runs = self.answered if self.suite.controls else []
        return [f"{RESULTS}/controls/{self.name}/{run}/stances.parquet" for run in runs]

    @property
    def metrics(self) -> dict[str, str]:
        """Run → its training metrics, without ablations."""
        runs = ([BASE] if self.is_scratch else []) + [run.lineage for run in self.grid if not run.found]
        return {run: metrics(self.name, run) for run in runs}

    @property
    def scores(self) -> list[str]:
        """Benchmark scores of the base model, and of the last checkpoints of SFT, of runs on aligned pairs and of found
        stages."""
        if "downstream" not in self.suite.entry:
            return []
        aligned = [self.suite["grid"].get(f"{side}_aligned") for side in ("support", "oppose")]
        shown = [run for run in self.traced if run.algorithm == "sft" or run.data in aligned or run.found]
        runs = [*([BASE] if self.has_base else []), *(run.lineage for run in shown)]
        return [f"{RESULTS}/downstream/{self.name}/{run}/step-{self.steps(run)[-1]:06d}.json" for run in runs]
