"""A trajectory: the checkpoint that a training run starts from and the run's own checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import polars as pl

from valuedrift.errors import ConfigError

LABELS = dict.fromkeys(("model", "run", "algorithm", "data", "sft"), pl.String)
"""The columns that name a model and its trajectory in every table."""

Checkpoint = tuple[str, int]
"""A run's name and one of its steps."""


@dataclass(frozen=True)
class Trajectory:
    """One post-training phase (paper, section 3: t is the start point, t' the last of `steps`).

    Attributes:
        run: The run's name.
        algorithm: The algorithm of the phase.
        data: The data set of the phase.
        sft: The SFT data set of the lineage; an SFT run's own data set.
        start_run: The run that the phase starts from.
        start_step: The step of `start_run` that it starts from.
        steps: The run's own checkpoint steps, ascending, above 0; the last one is final.

    Raises:
        ConfigError: `steps` is empty, not ascending or not above 0.
    """

    run: str
    algorithm: str
    data: str
    sft: str
    start_run: str
    start_step: int
    steps: tuple[int, ...]

    def __post_init__(self) -> None:
        ascending = all(a < b for a, b in zip((0, *self.steps), self.steps, strict=False))
        if not self.steps or not ascending:
            raise ConfigError(f"trajectories.{self.run}.steps", self.steps, "one or more ascending steps above 0")

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Trajectory:
        """Read a mapping whose keys are exactly the fields; raises ConfigError for others."""
        expected = {field.name for field in fields(cls)}
        if set(entry) != expected:
            key = f"trajectories.{entry.get('run', '?')}"
            raise ConfigError(key, sorted(entry), f"the keys {', '.join(sorted(expected))}")
        return cls(**{**entry, "steps": tuple(entry["steps"])})

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The start point, then the run's own checkpoints."""
        return ((self.start_run, self.start_step), *((self.run, step) for step in self.steps))

    @property
    def shown_steps(self) -> tuple[int, ...]:
        """The step each checkpoint is shown at: the start point is step 0."""
        return (0, *self.steps)

    @property
    def labels(self) -> dict[str, str]:
        """The columns that name this trajectory in every table."""
        return {"run": self.run, "algorithm": self.algorithm, "data": self.data, "sft": self.sft}
