"""Which runs and topics the paper's trajectory figures show, by their numbers, and what of them there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from valuedrift.paper.display_order import Topics, aligned_stance, run_order
from valuedrift.titles import algorithm_title, data_title, model_title


@dataclass(frozen=True)
class PaperFigure:
    """A figure of the paper: one topic, the runs of these algorithms on these data sets from these SFT sets."""

    number: int
    models: tuple[str, ...]
    topic: str
    algorithms: tuple[str, ...]
    data: tuple[str, ...]
    sft: tuple[str, ...] = ("wildchat",)

    @property
    def runs(self) -> list[str]:
        """All its runs, in the order of the page."""
        if self.algorithms == ("sft",):
            return [f"sft-{data}" for data in self.data]
        names = (f"sft-{sft}/{name}-{data}" for sft, data, name in product(self.sft, self.data, self.algorithms))
        return sorted(names, key=run_order)

    @property
    def title(self) -> str:
        algorithms = ", ".join(algorithm_title(name) for name in self.algorithms)
        aligned = all(map(aligned_stance, self.data))
        data = "synthetic pairs, both ways" if aligned else " and ".join(map(data_title, self.data))
        return f"{algorithms} on {data}: {self.topic}"

    @property
    def columns(self) -> int:
        """Panels side by side where there is room: the algorithms, or two data sets or models."""
        return max(2, len(self.algorithms))

    def models_among(self, measured: Sequence[str]) -> list[str]:
        """The paper's models that were measured; where none was, all that were stand in for them."""
        return [model for model in self.models if model in measured] or list(measured)

    def runs_among(self, runs: Iterable[str]) -> list[str]:
        """Those of the given runs that the figure shows, in the order of the page."""
        found = set(runs)
        return [run for run in self.runs if run in found]

    def absence(self, models: Iterable[str], topics: Topics) -> str:
        """Why the figure can't be drawn of these models."""
        if self.topic not in topics:
            return f"the configuration has no topic {self.topic}"
        return f"the grid of {', '.join(map(model_title, models))} has none of {', '.join(self.runs)}"

    def note(self, found: Iterable[tuple[str, str]]) -> str:
        """What the figure lacks. found: the (model, run) that were measured."""
        present = set(found)
        shown = self.models_among(list(dict.fromkeys(model for model, _ in present)))
        absent = [model_title(model) for model in self.models if model not in shown]
        parts = [f"{' and '.join(absent)} not in report.models"] if absent else []
        if not set(shown) <= set(self.models):
            parts.insert(0, f"of {', '.join(sorted(map(model_title, shown)))}")
        for model in sorted(shown):
            lacking = [run for run in self.runs if (model, run) not in present]
            parts += [f"not in the grid of {model_title(model)}: {', '.join(lacking)}"] if lacking else []
        return "; ".join(parts)


_PREFERENCE = ("ppo", "dpo", "simpo")
_SYNTHETIC = ("synthetic-support", "synthetic-oppose")
_SFT = ("wildchat", "alpaca")
_ONE, _TWO = ("llama3_3b",), ("llama3_3b", "qwen3_4b")

FIGURES = (
    PaperFigure(3, _TWO, "immigration", ("sft",), _SFT, _SFT),
    PaperFigure(4, _ONE, "abortion", _PREFERENCE, ("ultrafeedback",)),
    PaperFigure(7, _ONE, "immigration", _PREFERENCE, _SYNTHETIC),
    PaperFigure(9, _ONE, "abortion", _PREFERENCE, ("hh-rlhf",)),
    PaperFigure(11, _TWO, "abortion", ("dpo",), _SYNTHETIC, _SFT),
    PaperFigure(12, _TWO, "climate", ("dpo",), _SYNTHETIC, _SFT),
    PaperFigure(13, _TWO, "abortion", ("simpo",), _SYNTHETIC, _SFT),
    PaperFigure(14, _TWO, "climate", ("simpo",), _SYNTHETIC, _SFT),
)
