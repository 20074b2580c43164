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


@pytest.mark.parametrize(
    ("key", "field", "expected"),
    [
        # Models made from scratch take the CPU.
        ("sft/pocket/sft-alpaca", "device", "cpu"),
        ("stances/qwen3_8b/sft-alpaca", "device", "gpu"),
        # Rows by epochs by tokens per row.
        ("sft/qwen3_4b/sft-wildchat", "tokens", 255751 * 3 * 1240),
        # A classifier's labelled answers by their epochs and tokens, at the encoder's size.
        ("train_judge/english_minilm", "tokens", 20000 * 40),
        ("train_judge/english_minilm", "seconds", 0.7 + 6 * 1.07e7 * 20000 * 40 / 2.0e10),
        # A resume point is written beside the one before; PPO has two models.
        ("dpo/qwen3_4b/sft-alpaca/dpo-hh-rlhf", "passing", 2 * 12 * 4.02e9),
        ("ppo/qwen3_4b/sft-alpaca/ppo-hh-rlhf", "passing", 4 * 12 * 4.02e9),
        ("fetch/qwen3_4b", "kept", 2 * 4.02e9),
        ("fetch_judge/qwen25_7b", "kept", 2 * 7.62e9),
        ("fetch_llm/qwen25_72b", "kept", 2 * 72.7e9),
        ("generate/pocket/sft-wildchat/calibration", "answers", 11 * 20 * 20),
        ("stances/pocket/sft-wildchat/calibration", "read", 11 * 20 * 20 * 28),
        ("judge_data/pocket", "written", 2 * 3520 / 0.9 + 3 * 2 * 1408),
        ("synthetic_pairs/paper", "read", 2.6 * 11000 * 150),
        ("vprism_name/paper", "written", 25 * 10),
        ("downstream/qwen3_4b/base/step-000000", "seconds", 90 + 2 * 4.02e9 * 1.2e7 / 3e14),
        ("pretrain/pocket", "seconds", 34),
        ("a rule of your own/x", "seconds", 8),
    ],
)
def test_jobs_take_what_the_configuration_and_the_rates_say(
    costs: JobCosts, key: str, field: str, expected: float | str
) -> None:
    found = getattr(costs.work(job(key)), field)
    assert found == (expected if isinstance(expected, str) else pytest.approx(expected))


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


def test_probe_questions_that_are_there_are_counted(costs: JobCosts, tmp_path: Path) -> None:
    (tmp_path / "results/probes").mkdir(parents=True)
    pl.DataFrame({"question": ["?"] * 7}).write_parquet(tmp_path / "results/probes/paper.parquet")
    assert costs.work(job("generate/qwen3_4b/base/shard-0")).answers == 7 * 5


def test_weights_that_are_deleted_leave_the_last(costs: JobCosts) -> None:
    whole, thinned = costs.work(DPO), reconfigured(costs, machine={"keep": "final"}).work(DPO)
    assert whole.kept == 4 * 4.02e9 * len(costs.project.models["qwen3_4b"].steps("sft-alpaca/dpo-hh-rlhf"))
    assert thinned.kept == 4 * 4.02e9
    assert thinned.kept + thinned.passing == whole.kept + whole.passing


@pytest.mark.parametrize(("steps", "most"), [([10, 20, 30, 40, 50], 4), ([10, 20, 30], 3)])
def test_checkpoints_on_the_hub_take_the_disk_of_two_shards(costs: JobCosts, steps: list[int], most: int) -> None:
    stage = {"hub": {"name": "lab/tiny-7B", "revisions": "step{step}"}, "steps": steps}
    suite = {"probes": {"source": "builtin", "per_topic": 50}, "judge": "qwen25_7b"}
    suite["generation"] = {"answers": 5, "temperature": 0.7, "max_tokens": 256, "batch_size": 8}
    model = {"theirs": {"suite": "tracing", "stages": {"sft": stage}}}
    found = reconfigured(
        costs,
        models={**costs.project.config["models"], **model},
        suites={**costs.project.config["suites"], "tracing": suite},
    )
    work = found.work(job("fetch_checkpoint/theirs/sft/step-000010"))
    assert (work.device, work.kept, work.passing) == ("network", 0, most * 2 * 7e9)


def test_a_judge_over_the_network_reads_tokens_and_takes_no_gpu(costs: JobCosts) -> None:
    llm = {"backend": "http", "model": "m", "url": "http://localhost/v1", "concurrency": 10}
    judges = {
        **costs.project.config["judges"],
        "qwen25_7b": {"llm": "far", "prompt": "stance", "labels": ["support", "neutral", "oppose"]},
    }
    far = reconfigured(costs, llms={**costs.project.config["llms"], "far": llm}, judges=judges)
    work = far.work(job("stances/qwen3_8b/base"))
    assert (work.device, work.llm, work.requests, work.written) == ("network", far.project.llms["far"], 2750, 2750)
    assert work.read > 2750 * 180
    assert work.seconds == pytest.approx(2750 * costs.rates["latency"] / 10)
