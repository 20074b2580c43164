"""Names of runs, and numbers with their intervals."""

from __future__ import annotations

import pytest

from valuedrift.titles import origin_title, run_title, with_interval


@pytest.mark.parametrize(
    ("run", "title", "origin"),
    [
        ("sft-wildchat", "SFT on WildChat", "from the base model"),
        (
            "sft-wildchat/dpo-synthetic-support",
            "DPO on synthetic pairs, support-aligned",
            "after SFT on WildChat",
        ),
        ("sft-alpaca/simpo-hh-rlhf", "SimPO on HH-RLHF", "after SFT on Alpaca"),
        ("sft-tulu/grpo-own-pairs", "GRPO on own-pairs", "after SFT on tulu"),
    ],
)
def test_titles(run, title, origin):
    assert (run_title(run), origin_title(run)) == (title, origin)


def test_numbers_have_a_real_minus_and_zero_has_none():
    assert with_interval(-0.214, -0.3, -0.001) == "−0.21 (−0.30 to 0.00)"
    assert with_interval(0.5, 0.25, 0.75, ".0%") == "50% (25% to 75%)"
