"""Algorithms beside the paper's three: their losses by hand, their rewards, and what they leave."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from scorer import Scorer, answer_of, log_sigmoid, loss_on_all_rows, prompt_of, rows
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerBase

from valuedrift.config.grid import total_steps
from valuedrift.config.hyperparameters import SETTINGS
from valuedrift.errors import ArtifactError
from valuedrift.training.algorithms import ALGORITHMS
from valuedrift.training.ipo import ipo_trainer
from valuedrift.training.job import Job
from valuedrift.training.kto import kto_trainer
from valuedrift.training.orpo import orpo_trainer
from valuedrift.training.run import train
from valuedrift.training.scoring import reward

MakeJob = Callable[..., Job]
Finished = Callable[[str], Path]
MORE = ["ipo", "kto", "orpo", "grpo", "rloo"]
GROUPS = ["grpo", "rloo"]
WHOLE = {"batch_size": 6, "device_batch_size": 6, "max_length": 96, "response_length": 48}


def final_weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(max(folder.glob("step-*")) / "model.safetensors")


def all_weights(folder: Path) -> list[bytes]:
    return [(path / "model.safetensors").read_bytes() for path in sorted(folder.glob("step-*"))]


def test_every_algorithm_with_settings_has_a_trainer() -> None:
    assert set(ALGORITHMS) == set(SETTINGS) - {"pretrain"}


@pytest.mark.parametrize("beta", [0.1, 0.5])
def test_ipo_draws_the_difference_of_mean_log_ratios_to_its_margin(
    make_job: MakeJob, data: dict[str, Path], base: Path, other: Path, tokenizer: PreTrainedTokenizerBase, beta: float
) -> None:
    policy, reference = Scorer(other, tokenizer), Scorer(base, tokenizer)

    def ratio(row: dict[str, Any], key: str) -> float:
        (ours, count), (theirs, _) = (score(prompt_of(row), answer_of(row, key)) for score in (policy, reference))
        return (ours - theirs) / count

    terms = [(ratio(row, "chosen") - ratio(row, "rejected") - 1 / (2 * beta)) ** 2 for row in rows(data["ipo"])]
    found = loss_on_all_rows(ipo_trainer(make_job("ipo", beta=beta, **WHOLE), []), weights=other)
    assert found == pytest.approx(sum(terms) / len(terms), rel=1e-4)


@pytest.mark.parametrize("beta", [0.02, 0.1])
def test_kto_compares_every_answer_with_the_batchs_divergence(
    make_job: MakeJob, data: dict[str, Path], base: Path, other: Path, tokenizer: PreTrainedTokenizerBase, beta: float
) -> None:
    """Its divergence comes from each prompt with the answer before it in the batch; rows are in the seed's order."""
    policy, reference = Scorer(other, tokenizer), Scorer(base, tokenizer)

    def ratio(prompt: str, answer: str) -> float:
        return policy(prompt, answer)[0] - reference(prompt, answer)[0]

    answers = [
        (prompt_of(row), answer_of(row, key), key == "chosen")
        for row in rows(data["kto"])
        for key in ("chosen", "rejected")
    ]
    Random(0).shuffle(answers)
    neighbours = [answers[-1], *answers[:-1]]
    divergence = [ratio(prompt, other) for (prompt, _, _), (_, other, _) in zip(answers, neighbours, strict=True)]
    z = max(0.0, sum(divergence) / len(divergence))
    signs = [(1 if good else -1) * beta * (ratio(prompt, answer) - z) for prompt, answer, good in answers]
    expected = sum(1 - 1 / (1 + math.exp(-x)) for x in signs) / len(signs)
    job = make_job("kto", beta=beta, **{**WHOLE, "batch_size": 12, "device_batch_size": 12})
    assert loss_on_all_rows(kto_trainer(job, []), weights=other) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("beta", [0.1, 0.5])
def test_orpo_adds_the_odds_ratio_to_the_likelihood_of_prompt_and_chosen_answer(
    make_job: MakeJob, data: dict[str, Path], base: Path, tokenizer: PreTrainedTokenizerBase, beta: float
) -> None:
    score = Scorer(base, tokenizer)

    def log_odds(row: dict[str, Any], key: str) -> float:
        total, count = score(prompt_of(row), answer_of(row, key))
        return total / count - math.log1p(-math.exp(total / count))

    def likelihood(row: dict[str, Any]) -> tuple[float, int]:
        text = prompt_of(row) + answer_of(row, "chosen")
        first = tokenizer.decode(tokenizer(text)["input_ids"][:1])
        return score(first, text.removeprefix(first))

    pairs = rows(data["orpo"])
    whole = [likelihood(row) for row in pairs]
    odds = [log_sigmoid(log_odds(row, "chosen") - log_odds(row, "rejected")) for row in pairs]
    expected = -sum(total for total, _ in whole) / sum(count for _, count in whole) - beta * sum(odds) / len(odds)
    assert loss_on_all_rows(orpo_trainer(make_job("orpo", beta=beta, **WHOLE), [])) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("algorithm", GROUPS)
def test_answers_are_scored_at_their_end_token_and_lose_the_penalty_without_one(
    make_job: MakeJob, reward_model: Path, tokenizer: PreTrainedTokenizerBase, algorithm: str
) -> None:
    job = make_job(algorithm, missing_eos_penalty=3.0, device_batch_size=2)
    prompts = [
        "<|user|>Why ?<|assistant|>",
        "<|user|>What about wind farms ?<|assistant|>",
        "<|user|>No .<|assistant|>",
    ]
    answers = ["I support wind farms .<|end|>", "No", "It depends on the case .<|end|>"]
    found = reward(job, tokenizer)(
        prompts=prompts, completion_ids=[tokenizer(answer)["input_ids"] for answer in answers], completions=answers
    )
    model = AutoModelForSequenceClassification.from_pretrained(reward_model, num_labels=1).eval()
    expected = []
    for prompt, answer in zip(prompts, answers, strict=True):
        hidden = model.model(torch.tensor([tokenizer(prompt + answer)["input_ids"]])).last_hidden_state[0, -1]
        expected.append(float(hidden @ model.score.weight[0]) - (0 if answer.endswith("<|end|>") else 3))
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("algorithm", GROUPS)
def test_groups_of_answers_begin_at_no_divergence_and_move_away(
    make_job: MakeJob, finished: Finished, algorithm: str
) -> None:
    metrics = pl.read_parquet(finished(algorithm) / "metrics.parquet")
    first, *later = metrics.filter(pl.col("metric") == "kl").sort("step")["value"].to_list()
    assert first == pytest.approx(0, abs=1e-4)
    assert max(map(abs, later)) > 1e-3


@pytest.mark.parametrize("algorithm", MORE)
def test_a_run_leaves_its_declared_checkpoints_of_the_policy_and_metrics(
    make_job: MakeJob, finished: Finished, base: Path, algorithm: str
) -> None:
    folder, steps = finished(algorithm), make_job(algorithm).steps
    assert {path.name for path in folder.iterdir()} == {*(f"step-{n:06d}" for n in steps), "metrics.parquet"}
    start, end = load_file(base / "model.safetensors"), final_weights(folder)
    assert {name: tensor.shape for name, tensor in end.items()} == {name: t.shape for name, t in start.items()}
    assert all(not torch.equal(start[name], end[name]) for name in start)
    AutoModelForCausalLM.from_pretrained(max(folder.glob("step-*")))
    metrics = pl.read_parquet(folder / "metrics.parquet").filter(pl.col("metric") == "loss")
    assert metrics["step"].sort().to_list() == list(range(1, steps[-1] + 1))


@pytest.mark.parametrize("algorithm", MORE)
def test_steps_are_those_of_the_grid(make_job: MakeJob, algorithm: str) -> None:
    settings = {"batch_size": 4, "epochs": 2, **({"answers": 2} if algorithm in GROUPS else {})}
    assert total_steps(6, settings, algorithm) == make_job(algorithm).steps[-1]


@pytest.mark.parametrize("algorithm", MORE)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    make_job: MakeJob, finished: Finished, algorithm: str
) -> None:
    again, other = make_job(algorithm), make_job(algorithm, job={"seed": 1})
    torch.rand(3)
    train(again)
    train(other)
    assert all_weights(again.folder) == all_weights(finished(algorithm))
    assert all_weights(other.folder) != all_weights(finished(algorithm))


CHANGES: dict[str, list[dict[str, Any]]] = {
    **{name: [{"beta": 0.1}, {"response_length": 8}, {"max_length": 31}] for name in ("ipo", "kto", "orpo")},
    **{
        name: [
            {"kl_coefficient": 0.5},
            {"temperature": 1.0},
            {"missing_eos_penalty": 5.0},
            {"answers": 4, "job": {"steps": (2, 12)}},
            {"response_length": 8},
            {"max_length": 24},
        ]
        for name in GROUPS
    },
}


@pytest.mark.parametrize(("algorithm", "changed"), [(name, change) for name in CHANGES for change in CHANGES[name]])
def test_changing_an_option_changes_the_run(
    make_job: MakeJob, finished: Finished, algorithm: str, changed: dict[str, Any]
) -> None:
    job = make_job(algorithm, **changed)
    train(job)
    assert all_weights(job.folder)[-1] != all_weights(finished(algorithm))[-1]


@pytest.mark.parametrize("algorithm", ["ipo", "orpo"])
def test_the_device_batch_is_a_matter_of_memory_alone(make_job: MakeJob, finished: Finished, algorithm: str) -> None:
    """Nearly so for ORPO, whose likelihood is a mean over the tokens of a device batch."""
    job = make_job(algorithm, device_batch_size=2)
    train(job)
    one, other = final_weights(job.folder), final_weights(finished(algorithm))
    assert max(float((one[name] - other[name]).abs().max()) for name in one) < (1e-4 if algorithm == "ipo" else 5e-2)


@pytest.mark.parametrize("algorithm", GROUPS)
def test_groups_that_dont_fill_a_batch_are_refused(make_job: MakeJob, algorithm: str) -> None:
    with pytest.raises(ArtifactError, match="found '6 prompts', expected at least the 8 prompts of one batch"):
        train(make_job(algorithm, batch_size=16, device_batch_size=16))
    with pytest.raises(ArtifactError, match=f"'no reward model', expected {algorithm.upper()} to be given"):
        train(make_job(algorithm, job={"reward_model": None}))


@pytest.mark.parametrize("algorithm", MORE)
def test_training_reads_no_planted_stance(
    make_job: MakeJob, finished: Finished, data: dict[str, Path], tmp_path: Path, algorithm: str
) -> None:
    file = tmp_path / "bare.parquet"
    pl.read_parquet(data[algorithm], columns=["prompt", "chosen", "rejected"]).write_parquet(file)
    bare = make_job(algorithm, job={"data": file})
    train(bare)
    assert all_weights(bare.folder) == all_weights(finished(algorithm))
