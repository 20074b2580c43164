"""Orders of runs, and what data sets reward."""

from __future__ import annotations

import pytest

from valuedrift.paper.display_order import aligned_stance, run_order


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
