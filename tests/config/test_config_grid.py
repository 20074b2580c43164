"""The grid: how many steps runs take, which checkpoints they save, and what they start from."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from valuedrift.config.grid import (
    Change,
    Run,
    ablated,
    grid_runs,
    runs_of,
    shards,
    traced,
)
from valuedrift.config.hyperparameters import REWARDED
from valuedrift.config.training_steps import saved_steps, total_steps
from valuedrift.errors import ConfigError

FILE = Path(__file__).parents[2] / "workflow_config.yaml"
CONFIG: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
PAPER = ["llama3_3b", "llama3_8b", "qwen3_4b", "qwen3_8b"]


def grid(model: str) -> dict[str, Run]:
    """The grid itself, without its ablations."""
    return {run.lineage: run for run in grid_runs(CONFIG, model)}


@pytest.mark.parametrize(
    ("rows", "batch", "epochs", "algorithm", "steps"),
    [
        (255_751, 128, 3, "sft", 5_997),  # WildChat: 1,999 steps per epoch, the last one short
        (46_801, 128, 3, "sft", 1_098),  # Alpaca
        (60_908, 32, 3, "dpo", 5_712),  # UltraFeedback and HH-RLHF: 1,904 per epoch
        (60_908, 32, 3, "ppo", 5_711),  # PPO counts episodes over all epochs
        (60_908, 128, 1, "reward", 476),
        (9_453, 32, 3, "simpo", 888),
        (8, 4, 3, "sft", 6),
        (9, 4, 3, "sft", 9),
        (9, 4, 3, "ppo", 7),
        (9, 4, 3, "kto", 15),  # 18 answers, chosen or rejected, to 9 prompts
        (9, 4, 3, "orpo", 9),
        (1, 128, 1, "sft", 1),
        # Groups of two answers fill a batch; prompts that don't are left to the next epoch.
        (6, 4, 2, "grpo", 6),
        (7, 4, 2, "grpo", 6),
        (7, 2, 2, "rloo", 14),
    ],
)
def test_steps_follow_from_rows_batch_and_epochs(
    rows: int, batch: int, epochs: int, algorithm: str, steps: int
) -> None:
    settings = {"batch_size": batch, "epochs": epochs, **({"answers": 2} if algorithm in ("grpo", "rloo") else {})}
    assert total_steps(rows, settings, algorithm) == steps


@pytest.mark.parametrize(
    ("total", "every", "steps"),
    [(10, 5, (5, 10)), (11, 5, (5, 10, 11)), (4, 5, (4,)), (5, 5, (5,)), (3, 1, (1, 2, 3)), (9, None, (9,))],
)
def test_the_end_is_saved_once(total: int, every: int | None, steps: tuple[int, ...]) -> None:
    assert saved_steps(total, every) == steps


def test_a_papers_model_has_the_papers_grid() -> None:
    algorithms = Counter(run.algorithm for run in grid("qwen3_4b").values())
    assert algorithms == {"sft": 2, "reward": 8, "ppo": 8, "dpo": 8, "simpo": 8}
    run = grid("qwen3_4b")["sft-wildchat/dpo-ultrafeedback"]
    assert (run.steps[0], run.steps[-1], len(run.steps)) == (100, 5_712, 58)
    assert grid("qwen3_4b")["sft-wildchat"].steps == (*range(500, 5_997, 500), 5_997)
    assert grid("qwen3_4b")["sft-alpaca"].steps == (*range(100, 1_098, 100), 1_098)


def test_lineages_are_paths_of_data_sets_and_algorithms() -> None:
    assert list(grid("pocket")) == [
        "sft-wildchat",
        "sft-alpaca",
        *(
            f"sft-wildchat/{algorithm}-{data}"
            for data in ("ultrafeedback", "synthetic-support", "synthetic-oppose")
            for algorithm in ("reward", "ppo", "dpo", "simpo")
        ),
    ]


@pytest.mark.parametrize("model", CONFIG["models"])
def test_runs_start_from_the_last_checkpoint_of_their_parent_with_the_settings_of_their_algorithm(model: str) -> None:
    runs = grid(model)
    for run in runs.values():
        if run.algorithm == "sft":
            assert (run.parent, run.parent_step) == ("base", 0)
        else:
            assert run.lineage.startswith(f"{run.parent}/")
            assert runs[run.parent].algorithm == "sft"
            assert run.parent_step == runs[run.parent].steps[-1]
        if run.algorithm in REWARDED:
            assert run.reward == f"{run.parent}/reward-{run.data}"
            assert run.reward_model == runs[run.reward].checkpoints[-1]
            assert list(runs).index(run.reward) < list(runs).index(run.lineage)
        else:
            assert (run.reward, run.reward_model) == (None, None)
        assert run.settings == CONFIG["suites"][run.suite]["training"][run.algorithm]
    paths = [path for run in runs.values() for path in run.checkpoints]
    assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("model", CONFIG["models"])
def test_every_run_has_a_rule_and_a_path_of_its_own(model: str) -> None:
    runs = runs_of(CONFIG, model)
    assert len({run.rule for run in runs}) == len(runs)
    assert all(run.rule.isidentifier() for run in runs)
    assert all(re.fullmatch(r"[a-z0-9-]+(/[a-z0-9-]+)?", run.lineage) for run in runs)


@pytest.mark.parametrize(
    ("algorithms", "rewards"), [(["dpo"], 0), (["ppo"], 3), (["grpo", "ppo", "rloo"], 3), (["kto", "orpo", "ipo"], 0)]
)
def test_one_reward_model_serves_all_algorithms_that_need_one(algorithms: list[str], rewards: int) -> None:
    config = bare_config()
    training = config["suites"]["pocket"]["training"]
    for algorithm in algorithms:
        training.setdefault(algorithm, {**training["ppo"], "answers": 2})
        config["suites"]["pocket"]["checkpoints"].setdefault(algorithm, 16)
    config["suites"]["pocket"]["grid"]["preference"][0]["algorithms"] = algorithms
    found = Counter(run.algorithm for run in runs_of(config, "pocket"))
    assert found == {"sft": 2, **dict.fromkeys(algorithms, 3), **({"reward": rewards} if rewards else {})}


def bare_config(*ablations: dict[str, Any]) -> dict[str, Any]:
    """The repository's configuration with these ablations of the pocket suite and no others."""
    config: dict[str, Any] = json.loads(json.dumps(CONFIG))
    config["suites"]["pocket"]["grid"]["ablations"] = list(ablations)
    return config


def ablation(**changed: Any) -> dict[str, Any]:
    entry = {"sft": ["wildchat"], "data": ["synthetic-support"], "algorithm": "dpo", "parameter": "beta"}
    return {**entry, "values": [0.05, 0.1, 0.5], **changed}


def added(*ablations: dict[str, Any], model: str = "pocket") -> dict[str, Run]:
    """The runs that the ablations add to the grid."""
    plain = {run.lineage for run in runs_of(bare_config(), model)}
    return {run.lineage: run for run in runs_of(bare_config(*ablations), model) if run.lineage not in plain}


def test_an_ablation_adds_a_run_for_every_value_but_the_grids_own() -> None:
    runs = added(ablation())
    assert list(runs) == [f"sft-wildchat/dpo-synthetic-support-beta-{value}" for value in ("0-05", "0-5")]
    plain = {run.lineage: run for run in runs_of(bare_config(), "pocket")}["sft-wildchat/dpo-synthetic-support"]
    for run, beta in zip(runs.values(), (0.05, 0.5), strict=True):
        assert run.settings == {**plain.settings, "beta": beta}
        assert replace(run, settings=plain.settings, variant="") == plain


@pytest.mark.parametrize(("sft", "first"), [("wildchat", []), ("alpaca", ["sft-alpaca/reward-synthetic-support"])])
def test_ablated_runs_share_the_grids_reward_model_or_bring_one_before_them(sft: str, first: list[str]) -> None:
    runs = added(ablation(sft=[sft], algorithm="ppo", parameter="kl_coefficient", name="kl", values=[0.5, 1]))
    assert list(runs) == [*first, *(f"sft-{sft}/ppo-synthetic-support-kl-{value}" for value in ("0-5", "1"))]
    assert list(runs.values())[-1].reward == f"sft-{sft}/reward-synthetic-support"


def test_ablations_can_be_of_some_models_only() -> None:
    config = bare_config()
    config["suites"]["paper"]["grid"]["ablations"] = [ablation(models=["llama3_3b"])]
    counts = [len(runs_of(config, model)) for model in PAPER]
    assert counts[0] == counts[1] + 2
    assert counts[1] == counts[2] == counts[3]


@pytest.mark.parametrize(
    ("value", "name", "end"),
    [
        (0.05, "beta", "beta-0-05"),
        (2, "gamma", "gamma-2"),
        (2.0, "gamma", "gamma-2"),
        (5e-7, "learning_rate", "learning-rate-5e-7"),
        (2.5e-5, "lr", "lr-2-5e-5"),
        (1e-10, "lr", "lr-1e-10"),
        (1e20, "kl", "kl-1e20"),
        (0.1 + 0.2, "kl", "kl-0-3"),
    ],
)
def test_variants_are_names_that_paths_and_rules_can_have(value: float, name: str, end: str) -> None:
    assert Change("parameter", value, name).variant == end


def test_figures_are_told_which_run_stands_for_which_value() -> None:
    config = bare_config(ablation(), ablation(models=["another"]))
    runs = {run.lineage: run for run in runs_of(config, "pocket")}
    names = {0.05: "-beta-0-05", 0.1: "", 0.5: "-beta-0-5"}
    assert ablated(config, "pocket") == [
        {
            "parameter": "beta",
            "value": value,
            "own": value == 0.1,
            "settings": {},
            "trajectory": runs[f"sft-wildchat/dpo-synthetic-support{end}"].trajectory(),
        }
        for value, end in names.items()
    ]


def test_runs_of_an_ablation_can_share_other_settings() -> None:
    config = bare_config(
        ablation(values=[0.1, 0.5], settings={"learning_rate": 5e-7}),
        ablation(parameter="learning_rate", values=[5e-7, 1e-6], settings={"beta": 0.5}),
    )
    found = {(row["parameter"], row["value"]): row for row in ablated(config, "pocket")}
    start = "sft-wildchat/dpo-synthetic-support"
    runs = {key: row["trajectory"]["run"].removeprefix(start) for key, row in found.items()}
    assert runs == {
        ("beta", 0.1): "-learning-rate-5e-7",
        ("beta", 0.5): "-beta-0-5-learning-rate-5e-7",
        ("learning_rate", 5e-7): "-beta-0-5-learning-rate-5e-7",
        ("learning_rate", 1e-6): "-beta-0-5-learning-rate-1e-6",
    }
    assert found["beta", 0.1]["settings"] == {"learning_rate": 5e-7}
    settings = {run.lineage: run.settings for run in runs_of(config, "pocket")}
    assert settings[f"{start}-beta-0-5-learning-rate-5e-7"].items() >= {"beta": 0.5, "learning_rate": 5e-7}.items()


def test_a_model_without_ablations_is_told_where_they_stand() -> None:
    with pytest.raises(ConfigError, match=r"suites\.pocket\.grid\.ablations.*none for pocket"):
        ablated(bare_config(), "pocket")


def test_the_grid_itself_holds_no_run_that_only_an_ablation_asks_for() -> None:
    config = bare_config(ablation(sft=["alpaca"]))
    assert "sft-alpaca/dpo-synthetic-support" in {run.lineage for run in runs_of(config, "pocket")}
    assert grid_runs(config, "pocket") == runs_of(bare_config(), "pocket")


@pytest.mark.parametrize("model", ["pocket", "llama3_3b"])
def test_the_shipped_ablations_are_those_of_the_paper_and_equal_learning_rates(model: str) -> None:
    """Appendix J varies one parameter an algorithm, after SFT on WildChat; DPO and SimPO differ in their rates."""
    rows = ablated(CONFIG, model)
    varied = {(row["trajectory"]["algorithm"], row["parameter"]) for row in rows}
    paper = {("ppo", "kl_coefficient"), ("dpo", "beta"), ("simpo", "gamma")}
    assert varied == paper | {(algorithm, "learning_rate") for algorithm in ("ppo", "dpo", "simpo")}
    assert {row["trajectory"]["sft"] for row in rows} == {"wildchat"}
    training = CONFIG["suites"][CONFIG["models"][model]["suite"]]["training"]
    rates: dict[tuple[str, str], set[float]] = {}
    for row in rows:
        if row["parameter"] == "learning_rate":
            run = row["trajectory"]
            rates.setdefault((run["algorithm"], run["data"]), set()).add(row["value"])
    assert all(own == {training[name]["learning_rate"] for name in ("dpo", "simpo")} for own in rates.values())
    assert {data for _, data in rates} == {"synthetic-support", "synthetic-oppose"}


@pytest.mark.parametrize("suite", ["pocket", "paper"])
def test_learning_rates_of_preference_optimisation_keep_the_papers_ratios(suite: str) -> None:
    """DPO : SimPO : PPO = 1e-5 : 5e-7 : 5e-7 (appendix B). SFT of the pocket model needs more to learn topics."""
    training = CONFIG["suites"][suite]["training"]
    rates = [training[name]["learning_rate"] / training["dpo"]["learning_rate"] for name in ("simpo", "ppo")]
    assert rates == pytest.approx([1 / 20, 1 / 20])


def test_the_papers_hyper_parameters_stand_in_its_suite() -> None:
    """Section 4.1 and appendix B."""
    training = CONFIG["suites"]["paper"]["training"]
    expected = {
        "sft": (2e-5, 128, 3, 0.03),
        "reward": (1e-5, 128, 1, 0),
        "ppo": (5e-7, 32, 3, 0.1),
        "dpo": (1e-5, 32, 3, 0.1),
        "simpo": (5e-7, 32, 3, 0.1),
    }
    keys = ("learning_rate", "batch_size", "epochs", "warmup_ratio")
    assert {name: tuple(training[name][key] for key in keys) for name in expected} == expected
    assert {training[name]["max_length"] for name in expected} == {2048}
    assert {training[name]["response_length"] for name in ("reward", "ppo", "dpo", "simpo")} == {1024}
    assert training["dpo"]["beta"] == 0.1
    assert (training["simpo"]["beta"], training["simpo"]["gamma"]) == (2.0, 0.5)
    assert (training["ppo"]["kl_coefficient"], training["ppo"]["temperature"]) == (0.05, 0.7)
    generation = CONFIG["suites"]["paper"]["generation"]
    assert (generation["answers"], generation["temperature"], generation["max_tokens"]) == (5, 0.7, 256)


@pytest.mark.parametrize("model", ["pocket", *PAPER])
def test_every_traced_run_has_enough_checkpoints_to_show_a_trajectory(model: str) -> None:
    runs = traced(list(grid(model).values()))
    assert {run.algorithm for run in runs} == {"sft", "ppo", "dpo", "simpo"}
    assert {run.lineage: len(run.steps) for run in runs if len(run.steps) < 8} == {}


def test_trajectories_say_what_statistics_read() -> None:
    run = grid("pocket")["sft-wildchat/ppo-synthetic-support"]
    assert run.trajectory() == {
        "run": "sft-wildchat/ppo-synthetic-support",
        "algorithm": "ppo",
        "data": "synthetic-support",
        "sft": "wildchat",
        "start_run": "sft-wildchat",
        "start_step": grid("pocket")["sft-wildchat"].steps[-1],
        "steps": list(run.steps),
    }
    assert grid("pocket")["sft-alpaca"].trajectory()["start_run"] == "base"


@pytest.mark.parametrize(
    ("steps", "size", "groups"),
    [((1, 2, 3, 4, 5), 2, [(1, 2), (3, 4), (5,)]), ((1, 2), 2, [(1, 2)]), ((1,), 100, [(1,)])],
)
def test_shards_are_consecutive_and_complete(steps: tuple[int, ...], size: int, groups: list[tuple[int, ...]]) -> None:
    assert shards(steps, size) == groups
