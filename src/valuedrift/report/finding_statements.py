"""One sentence for each finding of `valuedrift.statistics.findings`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from valuedrift.display import Suite
from valuedrift.titles import algorithm_title, with_interval

_NEEDED = {
    "sft_sets_values_early": "an SFT run and a run on small-gap pairs",
    "small_gap_barely_moves": "a run on small-gap pairs",
    "wide_gap_separates_algorithms": "DPO, SimPO and PPO on the support-aligned pairs, after one and the same SFT",
}


def statement(finding: Mapping[str, Any], suite: Suite) -> str:
    """Return a finding's sentence: its verdict, with the numbers behind it; `suite` is the suite of its model."""
    name, holds, numbers = finding["name"], finding["holds"], finding["numbers"]
    if holds is None:
        return f"Not measured: it needs {_NEEDED[name]}."
    return {
        "sft_sets_values_early": _sft_sets_values_early,
        "small_gap_barely_moves": _small_gap_barely_moves,
        "wide_gap_separates_algorithms": _wide_gap_separates_algorithms,
    }[name](holds, numbers, suite)


def _sft_sets_values_early(holds: bool, numbers: Mapping[str, Any], suite: Suite) -> str:
    moved = "; ".join(
        f"{suite.run_title(run)} moved them by {_shown(one['magnitude'])}{_when(one['median_time'])}"
        for run, one in sorted(numbers["sft"].items(), key=lambda item: suite.run_order(item[0]))
    )
    largest = numbers["largest_small_gap"]
    return (
        f"SFT {'sets the values early' if holds else 'does not set the values early'} (mean |M| over topics and "
        f"stances): {moved}; the most that pairs with a small value gap moved them is {largest['value']:.2f} "
        f"({suite.full_title(largest['run'])})."
    )


def _small_gap_barely_moves(holds: bool, numbers: Mapping[str, Any], _suite: Suite) -> str:
    moved = "; ".join(
        f"{algorithm_title(algorithm)} moves {one['largest']['stance']} the most, by {_shown(one['largest'])}"
        for algorithm, one in numbers["algorithms"].items()
    )
    verb = "barely move" if holds else "do move"
    return f"Pairs with a small value gap {verb} the values (mean |M| over topics): {moved}."


def _wide_gap_separates_algorithms(holds: bool, numbers: Mapping[str, Any], _suite: Suite) -> str:
    moved = {algorithm: _shown(one) for algorithm, one in numbers["support_aligned"]["magnitude"].items()}
    return (
        f"A wide value gap {'separates' if holds else 'does not separate'} the algorithms as in the paper: "
        f"support-aligned pairs moved support by {moved['dpo']} with DPO, {moved['simpo']} with SimPO and "
        f"{moved['ppo']} with PPO."
    )


def _shown(numbers: Mapping[str, Any]) -> str:
    return with_interval(numbers["value"], numbers["low"], numbers["high"])


def _when(time: Mapping[str, Any] | None) -> str:
    return "" if time is None else f", half of its drifts by {time['value']:.0%} of its steps"
