"""The runs of ablations (paper, appendix J), with the order and the names used in figures and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from valuedrift.display import Model, rank
from valuedrift.statistics.panel import ALL
from valuedrift.statistics.trajectory import Trajectory

LEARNING_RATE = "learning_rate"

_PARAMETERS = {"kl_coefficient": "KL coefficient", "beta": "β", "gamma": "γ", LEARNING_RATE: "learning rate"}
_ALGORITHMS = ("dpo", "simpo", "ppo")


@dataclass(frozen=True)
class Ablated:
    """One run of an ablation.

    Attributes:
        parameter: The parameter that the ablation varies.
        value: The parameter's value in this run.
        own: Whether the suite's own training settings have this value.
        settings: Name and value of the other settings that the ablation changes, the same in all its runs.
        trajectory: The run.
        model: The run's model.
    """

    parameter: str
    value: float
    own: bool
    settings: tuple[tuple[str, float], ...]
    trajectory: Trajectory
    model: Model = field(compare=False)

    @property
    def run(self) -> str:
        return self.trajectory.run

    @property
    def algorithm(self) -> str:
        return self.trajectory.algorithm

    @property
    def place(self) -> tuple[str, str, tuple[tuple[str, float], ...]]:
        """The start, data set and settings, which the runs of one comparison share."""
        return self.trajectory.sft, self.trajectory.data, self.settings

    @property
    def rewarded(self) -> str | None:
        """The stance that the run's data set rewards on purpose; None if there is none."""
        return self.model.suite.rewarded(self.trajectory.data)

    @property
    def stance(self) -> str:
        """The stance whose drift is compared: the rewarded stance, or support if no stance is rewarded."""
        return self.rewarded or "support"

    @property
    def start_title(self) -> str:
        return f"SFT on {self.model.suite.data_title(self.trajectory.sft)}"

    @property
    def data_title(self) -> str:
        return self.model.suite.data_title(self.trajectory.data)

    @property
    def shown(self) -> str:
        """The value as text, with an asterisk if it is the configuration's own value."""
        return number(self.value) + ("*" if self.own else "")

    @property
    def shown_settings(self) -> str:
        """The other settings as text, such as `at learning rate 1e-3`; empty if there are none."""
        listed = " and ".join(f"{parameter_title(name)} {number(value)}" for name, value in self.settings)
        return f"at {listed}" if listed else ""

    @property
    def title(self) -> str:
        """A title such as `‹pairs›, after SFT on ‹chats›, at learning rate 1e-3`."""
        where = f"{self.data_title}, after {self.start_title}"
        return ", ".join(part for part in (where, self.shown_settings) if part)


def read_ablated(entries: Sequence[Mapping[str, Any]], model: Model) -> list[Ablated]:
    """Return the rows of `valuedrift.config.grid.ablated` without repeats, in the order shown.

    The order is by start, data set, algorithm, parameter, settings and value.
    """
    found = {
        Ablated(
            entry["parameter"],
            float(entry["value"]),
            entry["own"],
            tuple(sorted(entry["settings"].items())),
            Trajectory.from_dict(entry["trajectory"]),
            model,
        )
        for entry in entries
    }
    return sorted(
        found,
        key=lambda p: (
            rank(p.trajectory.sft, model.suite.sft),
            rank(p.trajectory.data, model.suite.preference),
            algorithm_order(p.algorithm),
            p.parameter,
            p.settings,
            p.value,
        ),
    )


def magnitudes(points: Sequence[Ablated], drift: pl.DataFrame) -> pl.DataFrame:
    """Return `run, stance, end_step, magnitude, low, high` of each point, in the order of the points.

    The magnitude is that of the point's stance, as a mean over topics.
    """
    columns = drift.filter(pl.col("topic") == ALL).select("run", "stance", "end_step", "magnitude", "low", "high")
    rows = pl.DataFrame([{"run": point.run, "stance": point.stance} for point in points])
    return rows.join(columns, on=("run", "stance"), how="left", maintain_order="left")


def parameter_title(parameter: str) -> str:
    return _PARAMETERS.get(parameter, parameter.replace("_", " "))


def algorithm_order(algorithm: str) -> tuple[int, str]:
    return (_ALGORITHMS.index(algorithm) if algorithm in _ALGORITHMS else len(_ALGORITHMS), algorithm)


def number(value: float) -> str:
    """Return a setting as short text, such as `0.05`, `2` or `5e-7`."""
    if 0 < abs(value) < 0.01:
        digits, exponent = f"{value:.5e}".split("e")
        return f"{digits.rstrip('0').rstrip('.')}e{int(exponent)}"
    return f"{value:.6g}"
