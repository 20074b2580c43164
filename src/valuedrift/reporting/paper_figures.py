"""Which runs and topics the paper's trajectory figures show, by their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from valuedrift.reporting.labels import phases, run_order


@dataclass(frozen=True)
class PaperFigure:
    """A figure of the paper: one topic, the runs of these algorithms on these data sets from these SFT sets."""

    number: int
    topic: str
    algorithms: tuple[str, ...]
    data: tuple[str, ...]
    sft: tuple[str, ...] = ("wildchat",)

    def runs_among(self, runs: Iterable[str]) -> list[str]:
        """Those of the given runs that the figure shows, in the order of the page."""
        return [run for run in sorted(runs, key=run_order) if self._shows(run)]

    def _shows(self, run: str) -> bool:
        first, last = phases(run)[0], phases(run)[-1]
        return last.algorithm in self.algorithms and last.data in self.data and first.data in self.sft


_PREFERENCE = ("ppo", "dpo", "simpo")
_SYNTHETIC = ("synthetic-support", "synthetic-oppose")
_SFT = ("wildchat", "alpaca")

FIGURES = (
    PaperFigure(3, "immigration", ("sft",), _SFT, _SFT),
    PaperFigure(4, "abortion", _PREFERENCE, ("ultrafeedback",)),
    PaperFigure(7, "immigration", _PREFERENCE, _SYNTHETIC),
    PaperFigure(9, "abortion", _PREFERENCE, ("hh-rlhf",)),
    PaperFigure(11, "abortion", ("dpo",), _SYNTHETIC, _SFT),
    PaperFigure(12, "climate", ("dpo",), _SYNTHETIC, _SFT),
    PaperFigure(13, "abortion", ("simpo",), _SYNTHETIC, _SFT),
    PaperFigure(14, "climate", ("simpo",), _SYNTHETIC, _SFT),
)
