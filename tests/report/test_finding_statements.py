"""The findings as sentences."""

from __future__ import annotations

from typing import Any

import pytest
from doubles.display import display

from valuedrift.report.finding_statements import statement

SUITE = display(own=("mine",)).suite("mine")
AT = {"value": 0.333, "low": 0.3, "high": 0.36}
EARLY = {
    "sft": {"sft-letters": {"magnitude": AT, "median_time": {"value": 0.25}}},
    "largest_small_gap": {"run": "sft-letters/dpo-calm", "value": 0.03},
}
BARELY = {"algorithms": {"dpo": {"largest": {"stance": "neutral", **AT}}}}
WIDE = {"support_aligned": {"magnitude": dict.fromkeys(("dpo", "simpo", "ppo"), AT)}}


@pytest.mark.parametrize(
    ("name", "holds", "numbers", "expected"),
    [
        ("sft_sets_values_early", True, EARLY, "SFT sets the values early (mean |M| over topics and stances): SFT on"
         " Letters moved them by 0.33 (0.30 to 0.36), half of its drifts by 25% of its steps; the most that pairs with"
         " a small value gap moved them is 0.03 (DPO on Calm, after SFT on Letters)."),
        ("small_gap_barely_moves", False, BARELY, "Pairs with a small value gap do move the values (mean |M| over"
         " topics): DPO moves neutral the most, by 0.33 (0.30 to 0.36)."),
        ("wide_gap_separates_algorithms", True, WIDE, "A wide value gap separates the algorithms as in the paper:"
         " support-aligned pairs moved support by 0.33 (0.30 to 0.36) with DPO, 0.33 (0.30 to 0.36) with SimPO and"
         " 0.33 (0.30 to 0.36) with PPO."),
        ("small_gap_barely_moves", None, {}, "Not measured: it needs a run on small-gap pairs."),
    ],
)  # fmt: skip
def test_a_finding_is_told_with_its_verdict_and_numbers(
    name: str, holds: bool | None, numbers: dict[str, Any], expected: str
) -> None:
    assert statement({"name": name, "holds": holds, "numbers": numbers}, SUITE) == expected
