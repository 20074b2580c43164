"""The paper's findings with their verdicts and all their numbers, for the report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from valuedrift.display import Display
from valuedrift.paper.table_formats import shown
from valuedrift.statistics.findings import BARELY, EARLY, PRIOR, WIDE

_TITLES = {
    EARLY: "SFT sets the values, early",
    BARELY: "Pairs with a small value gap barely move them",
    WIDE: "Pairs with a wide value gap tell the algorithms apart",
    PRIOR: "DPO amplifies what SFT prefers",
}


@dataclass(frozen=True)
class Verdict:
    """A finding about one model.

    `mark` is "holds", "fails", "undecided" or "missing"; `numbers` are (name, value) as text.
    """

    model: str
    number: int
    title: str
    mark: str
    statement: str
    numbers: list[tuple[str, str]]


def verdicts(findings: Sequence[Mapping[str, Any]], display: Display) -> list[Verdict]:
    """Return the findings in their order, numbered from 1 for each model."""
    counts = Counter[str]()
    found = []
    for finding in findings:
        counts[finding["model"]] += 1
        found.append(
            Verdict(
                display.model(finding["model"]).title,
                counts[finding["model"]],
                _TITLES[finding["name"]],
                finding["reason"] or ("holds" if finding["holds"] else "fails"),
                finding["statement"],
                list(number_lines(finding["numbers"])),
            )
        )
    return found


def number_lines(numbers: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield nested numbers as (path, text); {value, low, high} gives one line, with the bound and the threshold."""
    if {"value", "low", "high"} <= set(numbers):
        estimate = f"{number(numbers['value'])} [{number(numbers['low'])}, {number(numbers['high'])}]"
        if "threshold" in numbers:
            outcome = {True: "yes", False: "no", None: "undecided"}[numbers["holds"]]
            asked = f"{numbers['rule']} {number(numbers['threshold'])}"
            estimate += f"; bound {number(numbers['bound'])}, {asked}: {outcome}"
        yield " · ".join(path), estimate
        return
    for key, value in numbers.items():
        below = (*path, str(key).replace("_", " "))
        if isinstance(value, Mapping):
            yield from number_lines(value, below)
        else:
            yield " · ".join(below), number(value)


def number(value: object) -> str:
    """Return the text that is shown for a number, a word or a list of either."""
    if isinstance(value, list | tuple):
        return ", ".join(number(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "not measured"
    return shown(f"{value:.2f}" if isinstance(value, float) else value)
