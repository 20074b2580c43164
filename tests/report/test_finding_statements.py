"""The findings in words: their verdicts, and the numbers that decide them."""

from __future__ import annotations

from typing import Any

import pytest
from doubles.display import display

from valuedrift.report.finding_statements import criteria, remark, statement

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
THESE = "About these runs, not about other training seeds."


def finding(name: str, numbers: dict[str, Any], holds: bool | None = True, **changes: Any) -> dict[str, Any]:
    reason = "undecided" if holds is None else None
    return {
        "name": name,
        "holds": holds,
        "reason": reason,
        "numbers": numbers,
        "healthy": holds,
        "unhealthy": {},
    } | changes


@pytest.mark.parametrize(
    ("name", "numbers", "expected"),
    [
        ("sft_sets_values_early", EARLY, ["t50 of Letters 0.25", "Letters over DPO on Calm 0.30"]),
        ("small_gap_barely_moves", BARELY, ["DPO 0.09"]),
        ("wide_gap_separates_algorithms", WIDE,
         ["DPO 0.50", "SimPO 0.20", "PPO (RMS) 0.02", "DPO over SimPO 0.30", "SimPO over PPO 0.20"]),
        ("dpo_amplifies_the_prior", PRIOR, ["oppose over support after SFT 0.10", "oppose moved further −0.20"]),
    ],
)  # fmt: skip
def test_the_numbers_that_decide_a_finding_are_named(name: str, numbers: dict[str, Any], expected: list[str]) -> None:
    found = criteria(finding(name, numbers), SUITE)
    assert [f"{one.label} {one.text.partition(' ')[0]}" for one in found] == expected


def test_the_weakest_of_several_equal_criteria_is_told() -> None:
    weak = EARLY["sft-letters"] | {"nearer_to_data": at(0.1)}
    strong = EARLY["sft-letters"] | {"nearer_to_data": at(0.2), "further_than": {"sft-letters/dpo-calm": at(0.4)}}
    found = criteria(finding("sft_sets_values_early", {"sft-calm": strong, "sft-letters": weak}), SUITE)
    assert [(one.label, one.value) for one in found[2:]] == [
        ("Letters over DPO on Calm", 0.3),
        ("nearer to the data’s stances", 0.1),
    ]


@pytest.mark.parametrize(("holds", "told"), [(True, "holds"), (False, "does not hold"), (None, "undecided")])
def test_a_finding_is_told_with_its_verdict_numbers_and_thresholds(holds: bool | None, told: str) -> None:
    assert statement(finding("small_gap_barely_moves", BARELY, holds), SUITE) == (
        f"Pairs with a small value gap barely move them: {told}. DPO 0.09 (0.07 to 0.12), has to be above 0.10. {THESE}"
    )


def test_a_finding_over_several_seeds_says_so() -> None:
    assert remark(finding("dpo_amplifies_the_prior", PRIOR), SUITE) == "About training seeds, of which there are 3."


@pytest.mark.parametrize(
    ("healthy", "unhealthy", "expected"),
    [
        (False, {}, " Among healthy answers, it does not hold."),
        (
            None,
            {"sft-letters/dpo-calm": 0.214},
            " It rests on unhealthy answers (21\u00a0% in DPO on Calm, after SFT on Letters). Among healthy answers, it"
            " is undecided.",
        ),
    ],
)
def test_a_finding_tells_that_it_rests_on_unhealthy_answers(healthy: Any, unhealthy: Any, expected: str) -> None:
    found = finding("small_gap_barely_moves", BARELY, True, healthy=healthy, unhealthy=unhealthy)
    assert remark(found, SUITE) == THESE + expected


def test_a_finding_without_its_runs_says_which_it_needs() -> None:
    missing = finding("small_gap_barely_moves", {}, None, reason="missing")
    assert statement(missing, SUITE) == (
        "Pairs with a small value gap barely move them: not measured. It needs a run on small-gap pairs."
    )
    assert criteria(missing, SUITE) == []
