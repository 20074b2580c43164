"""What the rules ask of the configuration."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from valuedrift.config.chat_models import LIMITS, LlmSettings
from valuedrift.workflow.flow import CORRECTED, Workflow, folders

CONFIG: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / "workflow_config.yaml").read_text())


@pytest.fixture
def config() -> dict[str, Any]:
    return copy.deepcopy(CONFIG)


@pytest.fixture
def flow(config: dict[str, Any]) -> Workflow:
    return Workflow.read(config)


def test_long_runs_are_cut_into_shards_that_hold_every_checkpoint_once(config: dict[str, Any]) -> None:
    config["suites"]["pocket"]["generation"]["shard"] = 4
    flow = Workflow.read(config)
    run = "sft-wildchat"
    shards = [flow.shard_checkpoints("pocket", run, str(n)) for n in range(len(flow.shard_files("pocket", run)))]
    assert max(map(len, shards)) == 4
    assert [path for shard in shards for path in shard] == flow.runs["pocket"][run].checkpoints


def test_the_size_of_shards_is_no_parameter_of_answers(flow: Workflow) -> None:
    assert set(json.loads(flow.sampling("pocket"))) == {"answers", "temperature", "max_tokens", "batch_size", "seed"}


@pytest.mark.parametrize(
    ("machine", "stays"),
    [
        ({}, {80, 160, 240, 320, 400, 480, 560, 640, 660}),
        ({"keep": "final"}, {660}),
        ({"keep": "every_nth", "nth": 4}, {320, 640, 660}),
    ],
)
def test_each_shard_lets_go_of_its_own_checkpoints_but_for_those_that_the_run_keeps(
    config: dict[str, Any], machine: dict[str, Any], stays: set[int]
) -> None:
    config["machine"], config["suites"]["pocket"]["generation"]["shard"] = machine, 4
    flow, run = Workflow.read(config), "sft-wildchat"
    going = [json.loads(flow.let_go("pocket", run, str(shard))) for shard in range(3)]
    shards = flow.shards("pocket", run)
    assert all(set(own) <= set(shard) for own, shard in zip(going, shards, strict=True))
    assert {step for shard in shards for step in shard} - {step for own in going for step in own} == stays
    assert json.loads(flow.let_go("pocket", "base", "0")) == []


def test_how_runs_are_trained_is_handed_on_and_no_part_of_the_science(config: dict[str, Any]) -> None:
    config["machine"] = {"resume_minutes": 5, "report_to": ["wandb"], "keep": "final"}
    flow = Workflow.read(config)
    assert json.loads(flow.training_machine()) == {"resume_minutes": 5, "report_to": ["wandb"]}
    assert json.loads(flow.science()) == {key: part for key, part in config.items() if key != "machine"}


def test_limits_are_handed_over_and_not_compared(config: dict[str, Any]) -> None:
    config["llms"]["asked"] = {"backend": "http", "model": "m", "url": "u", "budget": 5, "concurrency": 3}
    config["judges"]["asked"] = {"llm": "asked", "prompt": "stance"}
    flow = Workflow.read(config)
    assert json.loads(flow.judge_settings("asked"))["llm"]["budget"] == 5
    assert json.loads(flow.judge_version("asked"))["llm"] == {"backend": "http", "model": "m", "url": "u"}
    assert flow.llm("asked")["concurrency"] == 3


def test_limits_are_settings_of_chat_models() -> None:
    assert set(LlmSettings.model_fields) - LIMITS == {"backend", "model", "url"}


def test_small_files_stand_for_weights(flow: Workflow) -> None:
    folder = "results/checkpoints"
    assert flow.made_run("pocket", "base") == [f"{folder}/pocket/base/metrics.parquet"]
    assert flow.made_run("qwen3_4b", "sft-alpaca") == [
        f"{folder}/qwen3_4b/base/source.json",
        f"{folder}/qwen3_4b/sft-alpaca/metrics.parquet",
    ]
    assert flow.made_for(flow.runs["pocket"]["sft-wildchat/ppo-ultrafeedback"]) == [
        f"{folder}/pocket/base/metrics.parquet",
        f"{folder}/pocket/sft-wildchat/metrics.parquet",
        f"{folder}/pocket/sft-wildchat/reward-ultrafeedback/metrics.parquet",
    ]
    assert flow.made_judge("qwen25_7b") == ["results/judges/qwen25_7b/source.json"]


def test_topics_are_proposed_until_they_are_chosen(config: dict[str, Any], tmp_path: Path) -> None:
    config["suites"]["paper"]["probes"]["choice"] = str(tmp_path / "choice.yaml")
    flow = Workflow.read(config)
    assert flow.vprism_proposal("paper") == ["results/vprism/paper/topics.yaml"]
    (tmp_path / "choice.yaml").touch()
    assert flow.vprism_proposal("paper") == []


def test_calibration_changes_temperature_and_answers_only(flow: Workflow) -> None:
    plain = json.loads(flow.sampling("pocket"))
    changed = json.loads(flow.sampling("pocket", temperature=1.0, answers=20))
    assert changed == {**plain, "temperature": 1.0, "answers": 20}


def test_one_plan_of_the_world_does_not_reach_another_table(config: dict[str, Any]) -> None:
    before = Workflow.read(copy.deepcopy(config)).world_tables("pocket")
    config["suites"]["pocket"]["world"]["judge"]["train_rows"] += 1
    after = Workflow.read(config).world_tables("pocket")
    assert [name for name in before if before[name] != after[name]] == ["judge_train"]


def test_absent_sources_are_left_to_the_job(flow: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VALUEDRIFT_DATA", raising=False)
    assert flow.data_sources("real", "alpaca") == []
    present = tmp_path / "alpaca" / "alpaca_9k.json"
    present.parent.mkdir()
    present.write_text("[]")
    monkeypatch.setenv("VALUEDRIFT_DATA", str(tmp_path))
    assert flow.data_sources("real", "alpaca") == [str(present)]


def test_what_the_world_makes_is_an_input_before_it_exists(flow: Workflow) -> None:
    assert flow.data_sources("pocket", "alpaca") == ["results/world/pocket/alpaca.parquet"]
    assert flow.sources("pocket", ["results/world/pocket/probes.csv"]) == ["results/world/pocket/probes.csv"]


def test_stances_of_the_base_model_and_of_every_traced_run(flow: Workflow) -> None:
    files = flow.stance_files("pocket")
    assert len(files) == 12
    assert not any("reward" in file for file in files)


def test_planted_cards_are_those_of_worlds(flow: Workflow) -> None:
    assert list(flow.planted_cards("pocket")) == ["wildchat", "alpaca"]
    assert flow.planted_cards("qwen3_4b") == {}


def test_a_section_without_a_kind_matches_nothing(config: dict[str, Any]) -> None:
    assert Workflow.read(config).named("models", "folder") == "(?!)"
    assert "qwen3_4b" in Workflow.read(config).named("models", "hub").split("|")


def test_folders_keep_their_order_and_stand_once() -> None:
    assert folders(["b/1", "a/2", "b/3"]) == ["b", "a"]


def test_metrics_are_those_of_every_training_run_but_ablations_and_fetched_models(config: dict[str, Any]) -> None:
    config["report"]["models"] = ["pocket", "qwen3_4b"]
    metrics = Workflow.read(config).metrics()
    assert metrics["pocket"]["base"] == "results/checkpoints/pocket/base/metrics.parquet"
    assert {"sft-alpaca", "sft-wildchat/dpo-ultrafeedback", "sft-wildchat/reward-ultrafeedback"} <= metrics[
        "pocket"
    ].keys()
    assert "base" not in metrics["qwen3_4b"]
    assert not [run for runs in metrics.values() for run in runs if "beta-" in run]


def test_ablations_need_the_stances_of_their_runs_and_of_what_those_start_from(flow: Workflow) -> None:
    files = flow.ablation_stances("pocket")
    assert files[0] == "results/stances/pocket/sft-wildchat.parquet"
    assert {
        "results/stances/pocket/sft-wildchat/dpo-synthetic-support.parquet",
        "results/stances/pocket/sft-wildchat/dpo-synthetic-support-beta-0-5.parquet",
    } < set(files)
    assert len(set(files)) == len(files)
    assert not any("beta" in file or "learning-rate" in file for file in flow.stance_files("pocket"))


def test_limits_are_no_part_of_what_a_reply_depends_on(config: dict[str, Any]) -> None:
    config["llms"]["far"] = {"backend": "http", "model": "m", "input_price": 1.0}
    before = Workflow.read(copy.deepcopy(config)).llm_version("far")
    config["llms"]["far"] |= {"requests_per_minute": 60, "tokens_per_minute": 1000}
    assert Workflow.read(config).llm_version("far") == before


def test_leave_and_budget_are_not_recorded(config: dict[str, Any], flow: Workflow) -> None:
    allowed = {**config, "retrain": "true", "budget": {"gpu_hours": 3, "dollars": 1}}
    assert Workflow.read(allowed).science() == flow.science()


def test_a_labelled_sample_adds_tables_and_is_each_models_own(config: dict[str, Any]) -> None:
    config["suites"]["pocket"]["world"]["labels"] = 0
    config["report"]["models"] = ["pocket", "qwen3_4b"]
    assert Workflow.read(config).labelled("pocket") == Workflow.read(config).corrected() == []
    assert re.fullmatch(Workflow.read(config).labelled_models(), "pocket") is None
    config["statistics"]["labelled"] = "labels/{model}.csv"
    flow = Workflow.read(config)
    folders = ["results/statistics/pocket", "results/statistics/qwen3_4b"]
    assert flow.corrected("corrected_drift.parquet") == [f"{folder}/corrected_drift.parquet" for folder in folders]
    assert flow.corrected() == [f"{folder}/{name}" for folder in folders for name in CORRECTED]
    assert flow.labelled("qwen3_4b") == ["labels/qwen3_4b.csv"]
    assert json.loads(flow.bootstrap()) == {"replicates": 10000, "level": 0.95}


def test_a_world_labels_a_sample_unless_another_is_named(config: dict[str, Any], flow: Workflow) -> None:
    config["report"]["models"] = ["pocket", "qwen3_4b"]
    flow = Workflow.read(config)
    assert flow.world_labels("pocket") == config["suites"]["pocket"]["world"]["labels"] > 0
    assert flow.labelled("pocket") == ["results/labels/pocket.parquet"]
    assert flow.labelled("qwen3_4b") == []
    assert flow.corrected() == [f"results/statistics/pocket/{name}" for name in CORRECTED]
    assert flow.labelled_models() == flow.labelled_models(world=True) == "pocket"
    config["statistics"]["labelled"] = "labels/{model}.csv"
    flow = Workflow.read(config)
    assert flow.labelled("pocket") == ["labels/pocket.csv"]
    assert flow.labelled_models().split("|") == list(config["models"])
    assert flow.labelled_models(world=True) == "pocket"


def test_other_seeds_are_value_tables_of_the_same_model(config: dict[str, Any]) -> None:
    assert Workflow.read(config).other_seeds("pocket") == []
    config["statistics"]["seeds"] = ["../seed-1/results", "../seed-2/results"]
    assert Workflow.read(config).other_seeds("pocket") == [
        f"../seed-{seed}/results/statistics/pocket/values.parquet" for seed in (1, 2)
    ]


def test_table_17_is_of_models_whose_suite_names_tasks(config: dict[str, Any]) -> None:
    assert Workflow.read(config).downstream_files() == []
    assert Workflow.read(config).downstream_models() == "llama3_3b|llama3_8b|qwen3_4b|qwen3_8b"
    config["report"]["models"] = ["pocket", "qwen3_4b"]
    files = Workflow.read(config).downstream_files()
    assert len(files) == 1 + 2 + 2 * 2 * 3
    assert files[0] == "results/downstream/qwen3_4b/base/step-000000.json"
    assert not any("ultrafeedback" in file or "hh-rlhf" in file for file in files)
    del config["suites"]["paper"]["downstream"]
    assert Workflow.read(config).downstream_models() == "(?!)"


def test_tables_show_pairs_and_prompts_of_the_first_reported_model(config: dict[str, Any]) -> None:
    flow = Workflow.read(config)
    assert flow.aligned_pairs() == ["results/data/pocket/synthetic-support/train.parquet"]
    assert set(json.loads(flow.shown_prompts())) == {"judge"}
    assert list(json.loads(flow.shown_topics())) == list(config["topics"])
    config["report"]["models"] = ["pocket_real"]
    assert Workflow.read(config).aligned_pairs() == []
    config["report"]["models"] = ["qwen3_4b"]
    prompts = json.loads(Workflow.read(config).shown_prompts())
    assert "{answer}" in prompts["judge"]
    assert "{value}" in prompts["writer"]
