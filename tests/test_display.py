"""Titles, orders and roles, as the configuration gives them."""

from __future__ import annotations

import json

import pytest
from doubles.display import TOPICS, configuration, display

from valuedrift.display import Display, display_settings
from valuedrift.errors import DataError
from valuedrift.titles import with_interval

BOTH = display("qwen3_4b", own=("mine",))


@pytest.mark.parametrize(
    ("model", "run", "title", "origin"),
    [
        ("qwen3_4b", "sft-wildchat", "SFT on WildChat", "from the base model"),
        (
            "qwen3_4b",
            "sft-wildchat/dpo-synthetic-support",
            "DPO on synthetic pairs, support-aligned",
            "after SFT on WildChat",
        ),
        ("mine", "sft-letters/simpo-calm", "SimPO on Calm", "after SFT on Letters"),
        ("mine", "sft-tulu/grpo-own-pairs", "GRPO on own-pairs", "after SFT on tulu"),
        ("mine", "sft", "SFT", ""),
        ("mine", "sft/mid_training/rl", "RL", "after MID TRAINING"),
        ("mine", "sft-letters/rl", "RL", "after SFT on Letters"),
        ("mine", "theirs/dpo-calm", "DPO on Calm", "after THEIRS"),
    ],
)
def test_titles_are_those_of_the_models_suite(model: str, run: str, title: str, origin: str) -> None:
    suite = BOTH.suite(model)
    assert (suite.run_title(run), suite.origin_title(run)) == (title, origin)


def test_found_stages_have_their_names_alone_and_only_those_with_tokens_are_shown_by_them() -> None:
    suite = BOTH.suite("mine")
    assert [suite.full_title(run) for run in ("sft", "sft/dpo")] == ["SFT", "DPO, after SFT"]
    assert [suite.short_title(run) for run in ("sft", "sft-letters", "sft/dpo-calm")] == [
        "SFT",
        "Letters",
        "DPO on Calm",
    ]
    assert sorted(["sft/dpo/rl", "sft/dpo", "base", "sft"], key=suite.run_order) == [
        "base",
        "sft",
        "sft/dpo",
        "sft/dpo/rl",
    ]
    config = configuration(["theirs"])
    plain = display_settings(config, ["theirs"])
    config["models"]["theirs"]["stages"] = {"sft": {"folder": "a"}, "rl": {"folder": "b", "tokens_per_step": 4e6}}
    shown = display_settings(config, ["theirs"])
    model = Display.read(shown).model("theirs")
    assert [model.tokens_per_step(run) for run in ("sft", "sft/rl", "sft-rl")] == [None, 4e6, None]
    assert "tokens" not in plain["models"]["theirs"], "the parameters of other models stay as they are"


def test_models_without_a_title_have_their_name() -> None:
    assert [model.title for model in BOTH.models.values()] == ["Qwen3 4B", "mine"]


@pytest.mark.parametrize(
    ("model", "data", "stance"),
    [
        ("qwen3_4b", "synthetic-support", "support"),
        ("qwen3_4b", "synthetic-oppose", "oppose"),
        ("qwen3_4b", "ultrafeedback", None),
        ("mine", "for", "support"),
        ("mine", "synthetic-support", None),
    ],
)
def test_the_stance_that_data_reward_is_the_configurations(model: str, data: str, stance: str | None) -> None:
    assert BOTH.suite(model).rewarded(data) == stance


def test_runs_are_ordered_by_phase_data_origin_and_algorithm() -> None:
    order = [
        "base",
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
    assert sorted(shuffled, key=BOTH.suite("qwen3_4b").run_order) == order


def test_orders_survive_json() -> None:
    config = configuration(("zeta", "alpha"), dict(reversed(TOPICS.items())))
    found = Display.read(json.loads(json.dumps(display_settings(config, ["zeta", "alpha"]))))
    assert list(found.models) == ["zeta", "alpha"]
    assert list(found.topics) == [*reversed(TOPICS)]
    assert found.suites[0].preference == ("ultrafeedback", "hh-rlhf", "synthetic-support", "synthetic-oppose")


def test_a_model_that_is_not_reported_is_named() -> None:
    with pytest.raises(DataError, match=r"'other'.*qwen3_4b, mine"):
        BOTH.model("other")


def test_numbers_have_a_real_minus_and_zero_has_none() -> None:
    assert with_interval(-0.214, -0.3, -0.001) == "−0.21 (−0.30 to 0.00)"
    assert with_interval(0.5, 0.25, 0.75, ".0%") == "50% (25% to 75%)"
