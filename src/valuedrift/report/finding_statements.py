"""The paper's findings in the report: the verdict of each, and the numbers that decide it, with their thresholds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from valuedrift.display import Display, Suite
from valuedrift.paper.table_formats import shown
from valuedrift.statistics.findings import BARELY, EARLY, MISSING, PRIOR, WIDE
from valuedrift.titles import algorithm_title, with_interval

Numbers = Mapping[str, Any]

_NEEDED = {
    EARLY: "an SFT run and a run on small-gap pairs",
    BARELY: "a run on small-gap pairs",
    WIDE: "DPO, SimPO and PPO on the support-aligned pairs, after one and the same SFT",
    PRIOR: "DPO on the support-aligned and on the oppose-aligned pairs, after one and the same SFT",
}

_TITLES = {
    EARLY: "SFT sets the values, early",
    BARELY: "Pairs with a small value gap barely move them",
    WIDE: "Pairs with a wide value gap tell the algorithms apart",
    PRIOR: "DPO amplifies what SFT prefers",
}
_ASKED = {
    EARLY: "Each SFT run does half of its drift early (t50, a share of its steps), and SFT moves values further than "
    "pairs with a small value gap do (RMS M over topics and stances).",
    BARELY: "On these pairs no algorithm moves any stance much (RMS M over topics).",
    WIDE: "On support-aligned pairs DPO moves support strongly, SimPO modestly and PPO barely.",
    PRIOR: "Of support and oppose, DPO moves the one further that is more probable after SFT.",
}
_HEALTHY = {True: "holds", False: "does not hold", None: "is undecided"}
_MARKS = {True: "holds", False: "fails", None: "undecided"}
_OUTCOMES = {"holds": "holds", "fails": "does not hold", "undecided": "undecided", MISSING: "not measured"}


@dataclass(frozen=True)
class Criterion:
    """A number that decides a finding, with its 95 % interval; `rule` is "above" or "below" the threshold."""

    label: str
    value: float
    low: float
    high: float
    rule: str
    threshold: float
    holds: bool | None

    @property
    def text(self) -> str:
        return with_interval(self.value, self.low, self.high)

    @property
    def asked(self) -> str:
        return f"{self.rule} {self.threshold:.2f}"


def statement(finding: Mapping[str, Any], suite: Suite) -> str:
    """Return a finding in words: its verdict, its criteria and what it is about; `suite` is the suite of its model."""
    found = criteria(finding, suite)
    numbers = "; ".join(f"{one.label} {one.text}, has to be {one.asked}" for one in found)
    told = [f"{_TITLES[finding['name']]}: {outcome(finding)}.", f"{numbers}." if found else "", remark(finding, suite)]
    return " ".join(filter(None, told))


def criteria(finding: Mapping[str, Any], suite: Suite) -> list[Criterion]:
    """Return the numbers that decide a finding; of several that are compared with the same threshold, the weakest."""
    numbers = finding["numbers"]
    if finding["reason"] == MISSING:
        return []
    rows = {EARLY: _early, BARELY: _barely, WIDE: _wide, PRIOR: _prior}[finding["name"]](numbers, suite)
    keys = ("value", "low", "high", "rule", "threshold", "holds")
    return [Criterion(label, **{key: one[key] for key in keys}) for label, one in rows]


def _early(numbers: Numbers, suite: Suite) -> list[tuple[str, Numbers]]:
    runs = sorted(numbers, key=suite.run_order)
    leads = [(run, *lead) for run in runs for lead in numbers[run]["further_than"].items()]
    run, other, lead = min(leads, key=lambda each: _bound(each[2]))
    rows = [(f"t50 of {suite.short_title(name)}", numbers[name]["t50"]) for name in runs]
    rows.append((f"{suite.short_title(run)} over {suite.run_title(other)}", lead))
    if planted := [own["nearer_to_data"] for own in numbers.values() if "nearer_to_data" in own]:
        rows.append(("nearer to the data’s stances", min(planted, key=_bound)))
    return rows


def _barely(numbers: Numbers, _suite: Suite) -> list[tuple[str, Numbers]]:
    return [(algorithm_title(name), max(own.values(), key=_bound)) for name, own in numbers.items()]


def _wide(numbers: Numbers, _suite: Suite) -> list[tuple[str, Numbers]]:
    labels = {
        "dpo": "DPO",
        "simpo": "SimPO",
        "ppo_rms": "PPO (RMS)",
        "dpo_over_simpo": "DPO over SimPO",
        "simpo_over_ppo": "SimPO over PPO",
    }
    return [(label, numbers[name]) for name, label in labels.items()]


def _prior(numbers: Numbers, _suite: Suite) -> list[tuple[str, Numbers]]:
    favoured = numbers["favoured"]
    other = "oppose" if favoured == "support" else "support"
    return [
        (f"{favoured} over {other} after SFT", numbers["prior"]),
        (f"{favoured} moved further", numbers["difference"]),
    ]


def _bound(criterion: Numbers) -> float:
    return float(criterion["bound"])


def outcome(finding: Mapping[str, Any]) -> str:
    """Return a finding's verdict in words."""
    return _OUTCOMES[finding["reason"] or _MARKS[finding["holds"]]]


def remark(finding: Mapping[str, Any], suite: Suite) -> str:
    """Say what a finding is about and whether it rests on unhealthy answers, or which runs it needs."""
    if finding["reason"] == MISSING:
        return f"It needs {_NEEDED[finding['name']]}."
    return f"{_scope(finding['numbers'])}{_health(finding, suite)}{finding.get('by_judge', '')}"


def _health(finding: Mapping[str, Any], suite: Suite) -> str:
    """Say whether a finding rests on unhealthy answers, or is another one among healthy answers."""
    shares = [f"{100 * share:.0f}\u00a0% in {suite.full_title(run)}" for run, share in finding["unhealthy"].items()]
    rests = f" It rests on unhealthy answers ({'; '.join(shares)})." if shares else ""
    if not rests and finding["healthy"] == finding["holds"]:
        return ""
    return f"{rests} Among healthy answers, it {_HEALTHY[finding['healthy']]}."


def _scope(numbers: Mapping[str, Any]) -> str:
    """Say what the intervals are over: one training seed, or several."""
    seeds = min(_seeds(numbers))
    if seeds == 1:
        return "About these runs, not about other training seeds."
    return f"About training seeds, of which there are {seeds}."


def _seeds(numbers: Mapping[str, Any]) -> list[int]:
    nested = [value for value in numbers.values() if isinstance(value, Mapping)]
    return [numbers["seeds"]] if "seeds" in numbers else [seeds for value in nested for seeds in _seeds(value)]


@dataclass(frozen=True)
class Verdict:
    """A finding about one model, for the page; `mark` is "holds", "fails", "undecided" or "missing"."""

    model: str
    name: str
    number: int
    title: str
    mark: str
    outcome: str
    asked: str
    criteria: list[Criterion]
    remark: str

    @property
    def reach(self) -> tuple[float, float]:
        """The ends of the axis on which the criteria are drawn."""
        ends = [end for one in self.criteria for end in (one.low, one.high, one.threshold, 0.0)]
        return min(ends) - 0.02, max(ends) + 0.05


def verdicts(findings: Sequence[Mapping[str, Any]], display: Display) -> list[Verdict]:
    """Return the findings in their order, numbered from 1 for each model."""
    counts = Counter[str]()
    found = []
    for finding in findings:
        counts[finding["model"]] += 1
        suite = display.suite(finding["model"])
        found.append(
            Verdict(
                finding["model"],
                finding["name"],
                counts[finding["model"]],
                _TITLES[finding["name"]],
                finding["reason"] or _MARKS[finding["holds"]],
                outcome(finding),
                _ASKED[finding["name"]],
                criteria(finding, suite),
                remark(finding, suite),
            )
        )
    return found


def number(value: object) -> str:
    """Return the text that is shown for a number, a word or a list of either."""
    if isinstance(value, list | tuple):
        return ", ".join(number(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "not measured"
    return shown(f"{value:.2f}" if isinstance(value, float) else value)
