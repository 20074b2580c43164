"""The paper's findings in the words of the report and exports, with the titles that the configuration gives."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from valuedrift.display import Display, Suite
from valuedrift.paper.table_files import shown
from valuedrift.titles import algorithm_title, with_interval

_EARLY, _SMALL, _WIDE = "sft_sets_values_early", "small_gap_barely_moves", "wide_gap_separates_algorithms"
_TITLES = {
    _EARLY: "SFT sets the values, early",
    _SMALL: "Pairs with a small value gap barely move them",
    _WIDE: "Pairs with a wide value gap tell the algorithms apart",
}
_NEEDED = {
    _EARLY: "an SFT run and a run on small-gap pairs",
    _SMALL: "a run on small-gap pairs",
    _WIDE: "DPO, SimPO and PPO on the support-aligned pairs, after one and the same SFT",
}
_MARKS = {True: "holds", False: "fails", None: "open"}


@dataclass(frozen=True)
class Verdict:
    """A model's finding: `mark` is holds, fails or open; `numbers` are (what, value) as text."""

    model: str
    number: int
    title: str
    mark: str
    statement: str
    numbers: list[tuple[str, str]]


def verdicts(findings: Sequence[Mapping[str, Any]], display: Display) -> list[Verdict]:
    """The findings in their order, numbered anew for each model."""
    counts = Counter[str]()
    found = []
    for finding in findings:
        counts[finding["model"]] += 1
        found.append(
            Verdict(
                display.model(finding["model"]).title,
                counts[finding["model"]],
                _TITLES[finding["name"]],
                _MARKS[finding["holds"]],
                statement(finding, display.suite(finding["model"])),
                list(number_lines(finding["numbers"])),
            )
        )
    return found


def statement(finding: Mapping[str, Any], suite: Suite) -> str:
    """A finding of `valuedrift.statistics.findings` as a sentence, with the numbers that decide it."""
    if finding["holds"] is None:
        return f"Not measured: this needs {_NEEDED[finding['name']]}."
    says = {_EARLY: _sets_early, _SMALL: _barely_moves, _WIDE: _separates}[finding["name"]]
    return says(finding["holds"], finding["numbers"], suite)


def number_lines(numbers: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Nested numbers as (path, text); {value, low, high} is one line with its interval."""
    if {"value", "low", "high"} <= set(numbers):
        estimate = f"{number(numbers['value'])} [{number(numbers['low'])}, {number(numbers['high'])}]"
        yield " · ".join(path), estimate
        numbers = {key: value for key, value in numbers.items() if key not in ("value", "low", "high")}
    for key, value in numbers.items():
        below = (*path, str(key).replace("_", " "))
        if isinstance(value, Mapping):
            yield from number_lines(value, below)
        else:
            yield " · ".join(below), number(value)


def number(value: object) -> str:
    """A number, word or list of either as readers see it."""
    if isinstance(value, list | tuple):
        return ", ".join(number(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "not measured"
    return shown(f"{value:.2f}" if isinstance(value, float) else value)


def _sets_early(holds: bool, numbers: Mapping[str, Any], suite: Suite) -> str:
    moved = "; ".join(
        f"{suite.run_title(run)} moved them by {_estimate(numbers['sft'][run]['magnitude'])}"
        f"{_when(numbers['sft'][run]['median_time'])}"
        for run in sorted(numbers["sft"], key=suite.run_order)
    )
    largest = numbers["largest_small_gap"]
    return (
        f"SFT {'sets' if holds else 'does not set'} the values early (mean |M| over topics and stances): {moved}; the "
        f"most that pairs with a small value gap moved them is {largest['value']:.2f} "
        f"({suite.full_title(largest['run'])})."
    )


def _barely_moves(holds: bool, numbers: Mapping[str, Any], suite: Suite) -> str:
    moved = "; ".join(
        f"{algorithm_title(name)} moves {one['largest']['stance']} the most, by {_estimate(one['largest'])}"
        for name, one in sorted(numbers["algorithms"].items())
    )
    verb = "barely move" if holds else "do move"
    return f"Pairs with a small value gap {verb} the values (mean |M| over topics): {moved}."


def _separates(holds: bool, numbers: Mapping[str, Any], suite: Suite) -> str:
    dpo, simpo, ppo = (
        _estimate(numbers["support_aligned"]["magnitude"][algorithm]) for algorithm in ("dpo", "simpo", "ppo")
    )
    return (
        f"A wide value gap {'separates' if holds else 'does not separate'} the algorithms as in the paper: "
        f"support-aligned pairs moved support by {dpo} with DPO, {simpo} with SimPO and {ppo} with PPO."
    )


def _estimate(numbers: Mapping[str, Any]) -> str:
    return with_interval(numbers["value"], numbers["low"], numbers["high"])


def _when(time: Mapping[str, Any] | None) -> str:
    return "" if time is None else f", half of its drifts by {time['value']:.0%} of its steps"
