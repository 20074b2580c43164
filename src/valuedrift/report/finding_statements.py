"""The paper's findings in the report: a sentence with the thresholds of each, its verdict and all its numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from valuedrift.display import Display, Suite
from valuedrift.paper.table_formats import shown
from valuedrift.statistics.findings import BARELY, EARLY, MISSING, PRIOR, WIDE
from valuedrift.titles import algorithm_title, with_interval

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


_HEALTHY = {True: "holds", False: "does not hold", None: "is undecided"}


def statement(finding: Mapping[str, Any], suite: Suite) -> str:
    """Return a finding's sentences: its verdict, with the numbers behind it; `suite` is the suite of its model."""
    name, numbers = finding["name"], finding["numbers"]
    if finding["reason"] == MISSING:
        return f"Not measured: it needs {_NEEDED[name]}."
    told = {EARLY: _early, BARELY: _barely, WIDE: _wide, PRIOR: _prior}[name]
    return f"{told(finding['holds'], numbers, suite)} {_scope(numbers)}{_health(finding, suite)}"


def _early(holds: bool | None, numbers: Mapping[str, Any], suite: Suite) -> str:
    runs = sorted(numbers, key=suite.run_order)
    moved = "; ".join(
        f"{suite.run_title(run)} moved them by {_shown(numbers[run]['rms'])}, half of this by "
        f"{_shown(numbers[run]['t50'], '.0%')} of its steps"
        for run in runs
    )
    leads = [(run, *lead) for run in runs for lead in numbers[run]["further_than"].items()]
    run, other, lead = min(leads, key=lambda each: each[2]["bound"])
    verdict = _verdict(holds, "SFT sets the values early", "SFT does not set the values early")
    early = numbers[runs[0]]["t50"]["threshold"]
    return (
        f"{verdict} (RMS M over topics and stances): {moved}. Early is before {early:.0%}, so that a straight line is "
        f"not early. The smallest lead over pairs with a small value gap is {_shown(lead)}, of {suite.run_title(run)} "
        f"over {suite.full_title(other)}; it has to exceed 0."
    )


def _barely(holds: bool | None, numbers: Mapping[str, Any], _suite: Suite) -> str:
    most = {name: max(own.items(), key=lambda stance: stance[1]["bound"]) for name, own in numbers.items()}
    moved = "; ".join(f"{algorithm_title(name)} {stance} by {_shown(one)}" for name, (stance, one) in most.items())
    threshold = next(iter(most.values()))[1]["threshold"]
    verdict = _verdict(
        holds, "Pairs with a small value gap barely move the values", "Pairs with a small value gap do move the values"
    )
    return f"{verdict} (RMS M over topics; barely is below {threshold:.2f}). At most: {moved}."


def _wide(holds: bool | None, numbers: Mapping[str, Any], _suite: Suite) -> str:
    verdict = _verdict(
        holds,
        "A wide value gap separates the algorithms as in the paper",
        "A wide value gap does not separate the algorithms as in the paper",
    )
    return (
        f"{verdict}: support-aligned pairs moved support by {_shown(numbers['dpo'])} with DPO (strong is above "
        f"{numbers['dpo']['threshold']:.2f}), {_shown(numbers['simpo'])} with SimPO (modest is below "
        f"{numbers['simpo']['threshold']:.2f}) and {_shown(numbers['ppo'])} with PPO (RMS "
        f"{_shown(numbers['ppo_rms'])}, barely is below {numbers['ppo_rms']['threshold']:.2f}). DPO exceeds SimPO by "
        f"{_shown(numbers['dpo_over_simpo'])}, SimPO PPO by {_shown(numbers['simpo_over_ppo'])}; both have to exceed 0."
    )


def _prior(holds: bool | None, numbers: Mapping[str, Any], _suite: Suite) -> str:
    favoured = numbers["favoured"]
    other = "oppose" if favoured == "support" else "support"
    verdict = _verdict(
        holds, "DPO moves the stance further that SFT prefers", "DPO does not move the stance further that SFT prefers"
    )
    return (
        f"{verdict}: {favoured}, the more probable one after SFT by {_shown(numbers['prior'])}, moved by "
        f"{_shown(numbers['moved'][favoured])} and {other} by {_shown(numbers['moved'][other])}; the difference is "
        f"{_shown(numbers['difference'])}. Both differences have to exceed 0."
    )


def _verdict(holds: bool | None, true: str, false: str) -> str:
    return {True: true, False: false, None: f"Undecided: {true}"}[holds]


def _health(finding: Mapping[str, Any], suite: Suite) -> str:
    """Say whether a finding rests on unhealthy answers, or is another one among healthy answers."""
    shares = [f"{share:.0%} in {suite.full_title(run)}" for run, share in finding["unhealthy"].items()]
    rests = f" It rests on unhealthy answers ({'; '.join(shares)})." if shares else ""
    if not rests and finding["healthy"] == finding["holds"]:
        return ""
    return f"{rests} Among healthy answers, it {_HEALTHY[finding['healthy']]}."


def _scope(numbers: Mapping[str, Any]) -> str:
    """Say what the intervals are over: one training seed, or several."""
    seeds = min(_seeds(numbers))
    if seeds == 1:
        return "This is about these runs, not about other training seeds."
    return f"This is about training seeds, of which there are {seeds}."


def _seeds(numbers: Mapping[str, Any]) -> list[int]:
    nested = [value for value in numbers.values() if isinstance(value, Mapping)]
    return [numbers["seeds"]] if "seeds" in numbers else [seeds for value in nested for seeds in _seeds(value)]


def _shown(numbers: Mapping[str, Any], form: str = ".2f") -> str:
    return with_interval(numbers["value"], numbers["low"], numbers["high"], form)


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
