"""The findings as sentences."""

from __future__ import annotations

from typing import Any

import pytest
from doubles.display import display

from valuedrift.report.finding_statements import number_lines, statement

SUITE = display(own=("mine",)).suite("mine")


def at(value: float, threshold: float = 0.0, seeds: int = 1, holds: bool | None = True) -> dict[str, Any]:
    ends = {"value": value, "low": value - 0.02, "high": value + 0.03, "bound": value - 0.01}
    return {**ends, "threshold": threshold, "rule": "above", "holds": holds, "seeds": seeds, "own": value}


EARLY = {
    "sft-letters": {
        "rms": {"value": 0.33, "low": 0.3, "high": 0.36},
        "t50": at(0.25, 0.5),
        "further_than": {"sft-letters/dpo-calm": at(0.3)},
    }
}
BARELY = {"dpo": {"support": at(0.05, 0.1), "neutral": at(0.09, 0.1), "oppose": at(0.01, 0.1)}}
WIDE = {
    "sft": ["letters"],
    "dpo": at(0.5, 0.3),
    "simpo": at(0.2, 0.3),
    "ppo": {"value": 0.0, "low": -0.01, "high": 0.01},
    "ppo_rms": at(0.02, 0.1),
    "dpo_over_simpo": at(0.3),
    "simpo_over_ppo": at(0.2),
}
PRIOR = {
    "favoured": "oppose",
    "prior": at(0.1, seeds=3),
    "difference": at(-0.2, seeds=3),
    "moved": {
        "support": {"value": 0.5, "low": 0.4, "high": 0.6},
        "oppose": {"value": 0.3, "low": 0.2, "high": 0.4},
    },
}
THESE = " This is about these runs, not about other training seeds."


@pytest.mark.parametrize(
    ("name", "holds", "numbers", "expected"),
    [
        ("sft_sets_values_early", True, EARLY, "SFT sets the values early (RMS M over topics and stances): SFT on"
         " Letters moved them by 0.33 (0.30 to 0.36), half of this by 25% (23% to 28%) of its steps. Early is before"
         " 50%, so that a straight line is not early. The smallest lead over pairs with a small value gap is 0.30 (0.28"
         " to 0.33), of SFT on Letters over DPO on Calm, after SFT on Letters; it has to exceed 0." + THESE),
        ("small_gap_barely_moves", None, BARELY, "Undecided: Pairs with a small value gap barely move the values (RMS"
         " M over topics; barely is below 0.10). At most: DPO neutral by 0.09 (0.07 to 0.12)." + THESE),
        ("wide_gap_separates_algorithms", False, WIDE, "A wide value gap does not separate the algorithms as in the"
         " paper: support-aligned pairs moved support by 0.50 (0.48 to 0.53) with DPO (strong is above 0.30), 0.20"
         " (0.18 to 0.23) with SimPO (modest is below 0.30) and 0.00 (−0.01 to 0.01) with PPO (RMS 0.02 (0.00 to 0.05),"
         " barely is below 0.10). DPO exceeds SimPO by 0.30 (0.28 to 0.33), SimPO PPO by 0.20 (0.18 to 0.23); both have"
         " to exceed 0." + THESE),
        ("dpo_amplifies_the_prior", False, PRIOR, "DPO does not move the stance further that SFT prefers: oppose, the"
         " more probable one after SFT by 0.10 (0.08 to 0.13), moved by 0.30 (0.20 to 0.40) and support by 0.50 (0.40"
         " to 0.60); the difference is −0.20 (−0.22 to −0.17). Both differences have to exceed 0. This is about"
         " training seeds, of which there are 3."),
    ],
)  # fmt: skip
def test_a_finding_is_told_with_its_verdict_numbers_and_thresholds(
    name: str, holds: bool | None, numbers: dict[str, Any], expected: str
) -> None:
    reason = None if holds is not None else "undecided"
    finding = {"name": name, "holds": holds, "reason": reason, "numbers": numbers, "healthy": holds, "unhealthy": {}}
    assert statement(finding, SUITE) == expected


@pytest.mark.parametrize(
    ("healthy", "unhealthy", "expected"),
    [
        (False, {}, " Among healthy answers, it does not hold."),
        (
            None,
            {"sft-letters/dpo-calm": 0.214},
            " It rests on unhealthy answers (21% in DPO on Calm, after SFT on Letters). Among healthy answers, it is"
            " undecided.",
        ),
    ],
)
def test_a_finding_tells_that_it_rests_on_unhealthy_answers(healthy: Any, unhealthy: Any, expected: str) -> None:
    finding = {"name": "small_gap_barely_moves", "holds": True, "reason": None, "numbers": BARELY}
    told = statement({**finding, "healthy": healthy, "unhealthy": unhealthy}, SUITE)
    assert told == statement({**finding, "healthy": True, "unhealthy": {}}, SUITE) + expected


def test_a_finding_without_its_runs_says_which_it_needs() -> None:
    finding = {"name": "small_gap_barely_moves", "holds": None, "reason": "missing", "numbers": {}}
    assert statement(finding, SUITE) == "Not measured: it needs a run on small-gap pairs."


def test_all_numbers_of_a_criterion_stand_on_one_line() -> None:
    lines = dict(number_lines(BARELY))
    assert lines["dpo · support"] == "0.05 [0.03, 0.08]; bound 0.04, above 0.10: yes"
    assert dict(number_lines({"a": at(0.1, holds=None)}))["a"].endswith("above 0.00: undecided")
