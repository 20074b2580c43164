"""What one job takes: arithmetic, tokens, answers and bytes, from measured lengths where there are any."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from valuedrift.workflow.plan_jobs import Job
from valuedrift.workflow.plan_sizes import Basis
from valuedrift.workflow.plan_work import training_operations, work_of

from valuedrift.errors import ConfigError
from valuedrift.workflow.flow import Workflow

PLAIN = {"gradient_checkpointing": False}


def test_a_token_costs_6_operations_a_parameter_and_8_where_activations_are_computed_again() -> None:
    assert training_operations("sft", PLAIN, 10, 100) == {"training": 6 * 10 * 100}
    assert training_operations("simpo", {"gradient_checkpointing": True}, 10, 100) == {"training": 8 * 10 * 100}
    assert training_operations("sft", {**PLAIN, "lora": {"rank": 1}}, 10, 100) == {"training": 4 * 10 * 100}


def test_other_models_of_an_algorithm_add_their_passes() -> None:
    assert training_operations("dpo", PLAIN, 10, 100)["scoring"] == 2 * 10 * 100
    assert training_operations("kto", PLAIN, 10, 100)["scoring"] == 6 * 10 * 100
    ppo = training_operations("ppo", {**PLAIN, "ppo_epochs": 4}, 10, 400)
    assert ppo == {"training": 2 * 6 * 10 * 400, "rollout": 2 * 10 * 100, "scoring": 8 * 10 * 100}
    assert training_operations("grpo", PLAIN, 10, 100)["rollout"] == 2 * 10 * 100


def test_tokens_are_rows_by_epochs_by_length(basis: Basis) -> None:
    length = basis.rates["tokens"]["wildchat"]["conversation"]
    assert work_of(Job("sft", "qwen3_4b/sft-wildchat"), basis).tokens == 255751 * 3 * length


def test_assumed_lengths_stop_at_the_longest(flow: Workflow, basis: Basis) -> None:
    run = flow.runs["qwen3_4b"]["sft-wildchat"]
    short = replace(run, settings=json.dumps({**json.loads(run.settings), "max_length": 100}))
    assert basis.row_tokens(short) == 100


def test_a_finished_run_on_the_same_data_tells_the_length(basis: Basis, tmp_path: Path) -> None:
    metrics = tmp_path / "results/checkpoints/llama3_8b/sft-wildchat/reward-hh-rlhf/metrics.parquet"
    metrics.parent.mkdir(parents=True)
    rows = {"step": [1, 2], "metric": ["num_tokens"] * 2, "value": [1.0, 60908.0 * 77]}
    pl.DataFrame(rows).write_parquet(metrics)
    dpo = work_of(Job("dpo", "qwen3_4b/sft-alpaca/dpo-hh-rlhf"), basis)
    assert dpo.tokens == pytest.approx(60908 * 3 * 77)
    # Rollouts are other texts than pairs.
    ppo = work_of(Job("ppo", "qwen3_4b/sft-alpaca/ppo-hh-rlhf"), basis)
    assert ppo.tokens != pytest.approx(60908 * 3 * 4 * 77)


def test_a_data_card_tells_the_length_in_characters(basis: Basis, tmp_path: Path) -> None:
    card = tmp_path / "results/data/paper/alpaca/card.json"
    card.parent.mkdir(parents=True)
    bins = [{"from": 0, "rows": 1}, {"from": 64, "rows": 3}]
    card.write_text(json.dumps({"lengths": {"conversation": bins}}))
    expected = 64 * 2**0.5 * 3 / 4 / basis.rates["characters_per_token"]
    assert basis.part_tokens("paper", "alpaca")["conversation"] == pytest.approx(expected)


def test_weights_that_are_there_are_counted(basis: Basis, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    folder = tmp_path / "results/checkpoints/qwen3_4b/base/step-000000"
    folder.mkdir(parents=True)
    save_file({"a": torch.zeros(3, 5), "b": torch.zeros(2, dtype=torch.bfloat16)}, folder / "model.safetensors")
    assert basis.model_size("qwen3_4b") == 17
    assert basis.model_size("qwen3_8b") == 8.19e9


@pytest.mark.parametrize(
    ("name", "size"),
    [("my/Model-1.5B", 1.5e9), ("me/SmolLM2-135M-Instruct", 1.35e8), ("all-mpnet-base-v2@0123abc", 1.09e8)],
)
def test_a_models_name_tells_its_size(basis: Basis, name: str, size: float) -> None:
    assert basis.named_size(name) == size


def test_a_name_without_a_size_is_an_error_that_says_so(basis: Basis) -> None:
    with pytest.raises(ConfigError, match="a name that tells the size"):
        basis.named_size("me/nameless")


def test_answers_are_those_of_the_shards_checkpoints(basis: Basis) -> None:
    questions, each, steps = 550, 5, 60908 * 3 // 32 + 1
    assert steps > 30 * 100
    first = work_of(Job("generate", "qwen3_4b/sft-alpaca/dpo-hh-rlhf/shard-0"), basis)
    assert first.answers == questions * each * 30
    last = work_of(Job("generate", "qwen3_4b/sft-alpaca/dpo-hh-rlhf/shard-1"), basis)
    assert last.answers == questions * each * (len(basis.flow.steps("qwen3_4b", "sft-alpaca/dpo-hh-rlhf")) - 30)
    calibration = work_of(Job("generate", "pocket/sft-wildchat/calibration"), basis)
    assert calibration.answers == 11 * 20 * 20


def test_probes_that_are_there_are_counted(basis: Basis, tmp_path: Path) -> None:
    (tmp_path / "results/probes").mkdir(parents=True)
    pl.DataFrame({"question": ["?"] * 7}).write_parquet(tmp_path / "results/probes/paper.parquet")
    assert work_of(Job("generate", "qwen3_4b/base/shard-0"), basis).answers == 7 * 5


def test_a_run_keeps_its_checkpoints_and_two_resume_points_for_a_while(basis: Basis) -> None:
    dpo = work_of(Job("dpo", "qwen3_4b/sft-alpaca/dpo-hh-rlhf"), basis)
    checkpoints = len(basis.flow.runs["qwen3_4b"]["sft-alpaca/dpo-hh-rlhf"].steps)
    assert dpo.kept == 4 * 4.02e9 * checkpoints
    assert dpo.passing == 2 * 12 * 4.02e9
    ppo = work_of(Job("ppo", "qwen3_4b/sft-alpaca/ppo-hh-rlhf"), basis)
    assert ppo.passing == 2 * dpo.passing


def test_weights_that_are_let_go_leave_the_last(flow: Workflow, basis: Basis) -> None:
    config = {**flow.config, "machine": {"keep": "final"}}
    job = Job("dpo", "qwen3_4b/sft-alpaca/dpo-hh-rlhf")
    whole, thinned = work_of(job, basis), work_of(job, replace(basis, flow=Workflow(config, flow.runs)))
    assert thinned.kept == 4 * 4.02e9
    assert thinned.kept + thinned.passing == whole.kept + whole.passing


def test_models_made_from_scratch_take_the_cpu_and_others_the_gpu(basis: Basis) -> None:
    assert work_of(Job("sft", "pocket/sft-alpaca"), basis).device == "cpu"
    assert work_of(Job("sft", "qwen3_8b/sft-alpaca"), basis).device == "gpu"
    assert work_of(Job("stances", "qwen3_8b/sft-alpaca"), basis).device == "gpu"


def test_a_judge_over_the_network_reads_tokens_and_takes_no_gpu(flow: Workflow, basis: Basis) -> None:
    llm = {"backend": "http", "model": "m", "url": "http://localhost/v1", "concurrency": 10}
    judges = {**flow.config["judges"], "qwen25_7b": {"llm": "far", "prompt": "stance"}}
    config = {**flow.config, "llms": {**flow.config["llms"], "far": llm}, "judges": judges}
    work = work_of(Job("stances", "qwen3_8b/base"), replace(basis, flow=Workflow(config, flow.runs)))
    assert work.device == "host"
    assert work.asked is not None
    assert (work.asked.requests, work.asked.output_tokens) == (2750, 2750)
    assert work.asked.input_tokens > 2750 * 180
    assert work.seconds == pytest.approx(2750 * basis.rates["latency"] / 10)


def test_every_stage_that_rules_measure_has_an_estimate(basis: Basis) -> None:
    rules = "".join(path.read_text() for path in (Path(__file__).parents[2] / "rules").glob("*.smk"))
    names = {
        "world": "pocket/alpaca.parquet",
        "downstream": "qwen3_4b/base/step-000000",
        "ablations": "pocket",
        "data": "paper/alpaca",
        "retrieve": "paper/alpaca",
        "generate": "pocket/base/shard-0",
        "stances": "pocket/base",
        "synthetic_align": "paper/support",
        **dict.fromkeys(("judge_quality", "train_judge", "pretrain", "calibration", "statistics", "drift"), "pocket"),
        **dict.fromkeys(("fetch", "prediction"), "qwen3_4b"),
        "fetch_judge": "qwen25_7b",
        "fetch_llm": "qwen25_72b",
    }
    stages = {part.split("/")[2] for part in rules.split('"') if part.startswith("results/benchmarks/")}
    stages -= {"{run.algorithm}"}
    assert len(stages) > 25
    other = basis.rates["host"]["other"]["start"]
    assert work_of(Job("of another workflow", "x"), basis).seconds == other
    for stage in sorted(stages):
        # A stage of this workflow has an entry of its own.
        assert work_of(Job(stage, names.get(stage, "paper")), basis).seconds != other, stage
        assert work_of(Job(stage, names.get(stage, "paper")), basis).seconds > 0, stage
