"""A trajectory: the checkpoint that a run starts from and the run's own checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Checkpoint = tuple[str, int]
"""A run's name and one of its steps."""


@dataclass(frozen=True)
class Trajectory:
    """One post-training phase (paper, section 3: t is the start point, t' is the last of `steps`).

    Attributes:
        run: The run's name.
        algorithm: The algorithm of the phase.
        data: The data set of the phase.
        sft: The SFT data set of the lineage; an SFT run's own data set.
        start_run: The run that the phase starts from.
        start_step: The step of `start_run` that the phase starts from.
        steps: The run's own checkpoint steps, ascending, above that of the start; the last one is final.
    """

    run: str
    algorithm: str
    data: str
    sft: str
    start_run: str
    start_step: int
    steps: tuple[int, ...]

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Trajectory:
        """Make a trajectory from its fields, as they are stored in JSON."""
        return cls(**{**entry, "steps": tuple(entry["steps"])})

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The start point, then the run's own checkpoints."""
        return ((self.start_run, self.start_step), *((self.run, step) for step in self.steps))

    @property
    def shown_steps(self) -> tuple[int, ...]:
        """The step that each checkpoint has in tables and figures: 0 for a start point that is another run's."""
        return (self.start_step if self.start_run == self.run else 0, *self.steps)

    @property
    def labels(self) -> dict[str, str]:
        """The columns that name this trajectory in every table."""
        return {"run": self.run, "algorithm": self.algorithm, "data": self.data, "sft": self.sft}
