"""What one job takes: arithmetic, tokens, answers and bytes, by measured lengths where there are any."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from valuedrift.workflow.job_costs import JobCosts
from valuedrift.workflow.job_graph import Job
from valuedrift.workflow.project import Project

PLAIN = {"gradient_checkpointing": False}
DPO = Job("dpo", "qwen3_4b/sft-alpaca/dpo-hh-rlhf")


def job(key: str) -> Job:
    return Job(*key.split("/", 1))


def reconfigured(costs: JobCosts, **sections: object) -> JobCosts:
    project = Project.read({**costs.project.config, **sections})
    return JobCosts(replace(costs.sizes, project=project))


@pytest.mark.parametrize(
    ("algorithm", "settings", "expected"),
    [
        ("sft", {}, {"training": 6}),
        ("simpo", {"gradient_checkpointing": True}, {"training": 8}),
        ("sft", {"lora": {"rank": 1}}, {"training": 4}),
        ("dpo", {}, {"training": 6, "scoring": 2}),
        ("kto", {}, {"training": 6, "scoring": 6}),
        ("grpo", {}, {"training": 6, "scoring": 4, "rollout": 2}),
        ("ppo", {"ppo_epochs": 4}, {"training": 12, "scoring": 8 / 4, "rollout": 2 / 4}),
        ("an algorithm of your own", {}, {"training": 6}),
    ],
)
def test_operations_per_parameter_and_token(
    costs: JobCosts, algorithm: str, settings: dict[str, object], expected: dict[str, float]
) -> None:
    found = costs.training_operations(algorithm, {**PLAIN, **settings}, 1)
    assert {kind: count for kind, count in found.items() if count} == expected


def test_tokens_are_rows_by_epochs_by_length(costs: JobCosts) -> None:
    length = costs.rates["tokens"]["wildchat"]["conversation"]
    assert costs.work(job("sft/qwen3_4b/sft-wildchat")).tokens == 255751 * 3 * length


def test_lengths_stop_at_the_longest(costs: JobCosts) -> None:
    model = costs.project.models["qwen3_4b"]
    run = model.runs["sft-wildchat"]
    short = replace(run, settings={**run.settings, "max_length": 100})
    assert costs.sizes.trained_tokens(short, model.suite) == 255751 * 3 * 100


def test_a_data_card_tells_the_length_in_characters(costs: JobCosts, tmp_path: Path) -> None:
    card = tmp_path / "results/data/paper/alpaca/card.json"
    card.parent.mkdir(parents=True)
    bins = [{"from": 0, "rows": 1}, {"from": 64, "rows": 3}]
    card.write_text(json.dumps({"lengths": {"conversation": bins}}))
    expected = 64 * 2**0.5 * 3 / 4 / costs.rates["characters_per_token"]
    assert costs.sizes.row(costs.project.suites["paper"], "alpaca")["conversation"] == pytest.approx(expected)


def test_weights_in_a_folder_are_counted(costs: JobCosts, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    weights = {"a": torch.zeros(3, 5), "b": torch.zeros(2, dtype=torch.bfloat16)}
    save_file(weights, tmp_path / "model.safetensors")
    assert costs.sizes.parameters({"folder": str(tmp_path)}) == 17
    assert costs.sizes.parameters({"folder": "elsewhere/my-2B"}) == 2e9


@pytest.mark.parametrize(
    ("name", "size"),
    [("my/Model-1.5B", 1.5e9), ("me/SmolLM2-135M-Instruct", 1.35e8), ("Qwen/Qwen3-4B-Base", 4.02e9)],
)
def test_a_models_name_tells_its_size(costs: JobCosts, name: str, size: float) -> None:
    assert costs.sizes.named(name) == size


def test_a_size_that_no_name_tells_is_assumed_and_said(costs: JobCosts, capsys: pytest.CaptureFixture[str]) -> None:
    assert costs.sizes.named("me/nameless") == costs.rates["parameters"]["other"]
    assert "assuming 8 billion parameters for me/nameless" in capsys.readouterr().err


def test_answers_are_those_of_the_shards_checkpoints(costs: JobCosts) -> None:
    per_checkpoint, checkpoints = 550 * 5, len(costs.project.models["qwen3_4b"].steps("sft-alpaca/dpo-hh-rlhf"))
    assert 30 < checkpoints < 60
    shards = [costs.work(job(f"generate/qwen3_4b/sft-alpaca/dpo-hh-rlhf/shard-{shard}")) for shard in (0, 1)]
    assert [shard.answers for shard in shards] == [per_checkpoint * 30, per_checkpoint * (checkpoints - 30)]
    assert costs.work(job("generate/pocket/sft-wildchat/calibration")).answers == 11 * 20 * 20


def test_probe_questions_that_are_there_are_counted(costs: JobCosts, tmp_path: Path) -> None:
    (tmp_path / "results/probes").mkdir(parents=True)
    pl.DataFrame({"question": ["?"] * 7}).write_parquet(tmp_path / "results/probes/paper.parquet")
    assert costs.work(job("generate/qwen3_4b/base/shard-0")).answers == 7 * 5


def test_a_run_keeps_its_checkpoints_and_two_resume_points_for_a_while(costs: JobCosts) -> None:
    dpo = costs.work(DPO)
    assert dpo.kept == 4 * 4.02e9 * len(costs.project.models["qwen3_4b"].steps("sft-alpaca/dpo-hh-rlhf"))
    assert dpo.passing == 2 * 12 * 4.02e9
    assert costs.work(job("ppo/qwen3_4b/sft-alpaca/ppo-hh-rlhf")).passing == 2 * dpo.passing


def test_weights_that_are_deleted_leave_the_last(costs: JobCosts) -> None:
    whole, thinned = costs.work(DPO), reconfigured(costs, machine={"keep": "final"}).work(DPO)
    assert thinned.kept == 4 * 4.02e9
    assert thinned.kept + thinned.passing == whole.kept + whole.passing


@pytest.mark.parametrize(("key", "device"), [("sft/pocket/sft-alpaca", "cpu"), ("stances/qwen3_8b/sft-alpaca", "gpu")])
def test_models_made_from_scratch_take_the_cpu_and_others_the_gpu(costs: JobCosts, key: str, device: str) -> None:
    assert costs.work(job(key)).device == device


def test_a_judge_over_the_network_reads_tokens_and_takes_no_gpu(costs: JobCosts) -> None:
    llm = {"backend": "http", "model": "m", "url": "http://localhost/v1", "concurrency": 10}
    judges = {
        **costs.project.config["judges"],
        "qwen25_7b": {"llm": "far", "prompt": "stance", "labels": ["support", "neutral", "oppose"]},
    }
    far = reconfigured(costs, llms={**costs.project.config["llms"], "far": llm}, judges=judges)
    work = far.work(job("stances/qwen3_8b/base"))
    assert work.device == "network"
    assert work.asked is not None
    assert (work.asked.requests, work.asked.output_tokens) == (2750, 2750)
    assert work.asked.input_tokens > 2750 * 180
    assert work.seconds == pytest.approx(2750 * costs.rates["latency"] / 10)


@pytest.mark.parametrize(
    ("key", "tokens"),
    [
        ("judge_data/pocket", 28 * (2 * 3520 / 0.9 + 3 * 2 * 1408)),
        ("synthetic_pairs/paper", 2.6 * 11000 * (150 + 250)),
        ("vprism_name/paper", 25 * (400 + 10)),
    ],
)
def test_judges_of_data_sets_and_writers_read_and_write(costs: JobCosts, key: str, tokens: float) -> None:
    assert costs.work(job(key)).judge_tokens == pytest.approx(tokens, rel=0.05)


@pytest.mark.parametrize("key", ["fetch/qwen3_4b", "fetch_judge/qwen25_7b", "fetch_llm/qwen25_72b"])
def test_downloads_stay_in_two_bytes_per_parameter(costs: JobCosts, key: str) -> None:
    assert costs.work(job(key)).kept in (2 * 4.02e9, 2 * 7.62e9, 2 * 72.7e9)


def test_larger_models_and_longer_data_take_longer(costs: JobCosts) -> None:
    def hours(key: str) -> float:
        return costs.work(job(key)).seconds / 3600

    assert hours("downstream/qwen3_8b/base/step-000000") > hours("downstream/qwen3_4b/base/step-000000") > 0
    assert hours("dpo/qwen3_4b/sft-alpaca/dpo-hh-rlhf") > hours("dpo/qwen3_4b/sft-alpaca/dpo-synthetic-support") > 0


def test_a_stage_that_nobody_named_takes_a_constant(costs: JobCosts) -> None:
    assert costs.work(job("a rule of your own/x")).seconds == costs.rates["seconds"]["other"]
    assert costs.work(job("pretrain/pocket")).seconds == costs.rates["seconds"]["pretrain"]
