"""Names and orders of runs."""

from __future__ import annotations

import pytest

from valuedrift.reporting.labels import aligned_stance, run_order
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


@pytest.mark.parametrize(
    ("data", "stance"),
    [("synthetic-support", "support"), ("synthetic-oppose", "oppose"), ("ultrafeedback", None), ("wildchat", None)],
)
def test_aligned_stance(data, stance):
    assert aligned_stance(data) == stance


def test_runs_are_ordered_by_phase_data_origin_and_algorithm():
    order = [
        "sft-wildchat",
        "sft-alpaca",
        "sft-other",
        "sft-wildchat/ppo-ultrafeedback",
        "sft-wildchat/dpo-ultrafeedback",
        "sft-wildchat/simpo-ultrafeedback",
        "sft-alpaca/ppo-ultrafeedback",
        "sft-wildchat/dpo-hh-rlhf",
        "sft-wildchat/dpo-synthetic-support",
        "sft-wildchat/grpo-synthetic-support",
        "sft-wildchat/ppo-synthetic-oppose",
        "sft-wildchat/dpo-own",
    ]
    shuffled = [*order[1::2], *order[::2]]
    assert sorted(shuffled, key=run_order) == order


def test_numbers_have_a_real_minus_and_zero_has_none():
    assert with_interval(-0.214, -0.3, -0.001) == "−0.21 (−0.30 to 0.00)"
    assert with_interval(0.5, 0.25, 0.75, ".0%") == "50% (25% to 75%)"
