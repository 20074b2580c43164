"""Every trainer's loss on one batch against the paper's formulas (section 2), from the model's log-probabilities."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
import torch
from scorer import Row, Scorer, answer_of, log_sigmoid, loss_on_all_rows, prompt_of, rows
from training_rows import ROLLOUTS, MakeJob, logged
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from valuedrift.training.algorithms import ALGORITHMS
from valuedrift.training.kto import kto_trainer
from valuedrift.training.orpo import orpo_trainer
from valuedrift.training.ppo import ppo_trainer
from valuedrift.training.reward import reward_trainer
from valuedrift.training.scoring import reward
from valuedrift.training.sft import sft_trainer
from valuedrift.training.train import train

ALL_ROWS = {"batch_size": 6, "device_batch_size": 6, "max_length": 96}
WHOLE = {**ALL_ROWS, "response_length": 48}


def test_sft_is_the_mean_negative_log_likelihood_of_answer_tokens(
    make_job: MakeJob, data: dict[str, Path], base: Path, tokenizer: PreTrainedTokenizerBase
) -> None:
    score = Scorer(base, tokenizer)
    scores = [score(prompt_of(row), answer_of(row, "messages")) for row in rows(data["sft"])]
    expected = -sum(total for total, _ in scores) / sum(count for _, count in scores)
    assert loss_on_all_rows(sft_trainer(make_job("sft", **ALL_ROWS), [])) == pytest.approx(expected, rel=1e-5)


# Whether the starting checkpoint's log-probabilities are taken off, whether the mean over tokens counts, and the
# loss of a pair, by the difference between its chosen and its rejected answer.
PAIR_LOSSES: dict[str, tuple[bool, bool, Callable[..., float]]] = {
    "dpo": (True, False, lambda difference, beta: -log_sigmoid(beta * difference)),
    "ipo": (True, True, lambda difference, beta: (difference - 1 / (2 * beta)) ** 2),
    "simpo": (False, True, lambda difference, beta, gamma: -log_sigmoid(beta * difference - gamma)),
}
PAIR_SETTINGS = [(algorithm, {"beta": beta}) for algorithm in ("dpo", "ipo") for beta in (0.1, 0.5)]
PAIR_SETTINGS += [("simpo", {"beta": beta, "gamma": gamma}) for beta, gamma in ((0.5, 0.7), (2.0, 0.5), (2.0, 0.0))]


@pytest.mark.parametrize(("algorithm", "settings"), PAIR_SETTINGS)
def test_pair_losses_compare_chosen_and_rejected_answers(
    make_job: MakeJob,
    data: dict[str, Path],
    base: Path,
    other: Path,
    tokenizer: PreTrainedTokenizerBase,
    algorithm: str,
    settings: dict[str, float],
) -> None:
    referenced, per_token, loss = PAIR_LOSSES[algorithm]
    policy, reference = Scorer(other, tokenizer), Scorer(base, tokenizer)

    def score(row: Row, key: str) -> float:
        words = prompt_of(row), answer_of(row, key)
        total, count = policy(*words)
        total -= reference(*words)[0] if referenced else 0
        return total / count if per_token else total

    terms = [loss(score(row, "chosen") - score(row, "rejected"), **settings) for row in rows(data[algorithm])]
    trainer = ALGORITHMS[algorithm](make_job(algorithm, **settings, **WHOLE), [])
    tolerance = 1e-4 if referenced else 1e-5
    assert loss_on_all_rows(trainer, weights=other) == pytest.approx(sum(terms) / len(terms), rel=tolerance)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize(("algorithm", "loss"), [("dpo", math.log(2)), ("ipo", 1.0), ("kto", 0.5)])
def test_algorithms_with_a_reference_start_from_no_preference(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch, algorithm: str, loss: float, bf16: bool
) -> None:
    """The reference is asked in the precision in which the policy is trained, and then let go."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    job = make_job(algorithm, **WHOLE, bf16=bf16, epochs=1)
    before = {id(part) for part in gc.get_objects() if isinstance(part, PreTrainedModel)}
    trainer = ALGORITHMS[algorithm](job, [])
    gc.collect()
    left = [part for part in gc.get_objects() if isinstance(part, PreTrainedModel) and id(part) not in before]
    assert len(left) == 2  # The policy and its backbone.
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(loss, rel=1e-6)


def test_the_reward_model_is_bradley_terry_on_the_score_of_the_end_token(
    make_job: MakeJob, data: dict[str, Path], tokenizer: PreTrainedTokenizerBase
) -> None:
    trainer = reward_trainer(make_job("reward", **WHOLE), [])
    trainer.model.score.weight.data.mul_(20)

    @torch.no_grad()
    def reward(row: Row, key: str) -> float:
        ids = tokenizer(prompt_of(row) + answer_of(row, key))["input_ids"]
        assert ids[-1] == tokenizer.eos_token_id
        last = trainer.model.model(torch.tensor([ids])).last_hidden_state[0, -1]
        return float(last @ trainer.model.score.weight[0])

    terms = [log_sigmoid(reward(row, "chosen") - reward(row, "rejected")) for row in rows(data["reward"])]
    assert loss_on_all_rows(trainer) == pytest.approx(-sum(terms) / len(terms), rel=1e-5)


def test_the_reward_model_starts_from_the_checkpoints_backbone_and_a_seeded_head(make_job: MakeJob, base: Path) -> None:
    start = AutoModelForCausalLM.from_pretrained(base).model.state_dict()
    heads = []
    for seed in (0, 0, 1):
        model = reward_trainer(make_job("reward", job={"seed": seed}), []).model
        assert all(torch.equal(weight, start[name]) for name, weight in model.model.state_dict().items())
        heads.append(model.score.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def sampled(trainer: Any, end: int) -> list[tuple[list[int], bool]]:
    """What the reward model will be shown in training: prompt and answer up to padding, and whether the answer ends.

    A random model samples the padding token as well, before which its answer stops.
    """
    found: list[tuple[list[int], bool]] = []

    def remember(_: Any, __: Any, shown: dict[str, torch.Tensor]) -> None:
        for ids, mask in zip(shown["input_ids"], shown["attention_mask"].bool(), strict=True):
            start = int(mask.int().argmax())
            tokens, real = ids[start:].tolist(), mask[start:].tolist()
            stop = real.index(False) if False in real else len(real)
            found.append((tokens[:stop], end in ids[mask].tolist()))

    trainer.reward_model.base_model.register_forward_pre_hook(remember, with_kwargs=True)
    return found


@pytest.mark.parametrize(("coefficient", "penalty"), [(0.05, 1.0), (0.5, 4.0)])
def test_ppo_rewards_are_the_reward_models_less_the_penalty_of_no_end_and_of_the_divergence(
    make_job: MakeJob,
    data: dict[str, Path],
    base: Path,
    other: Path,
    reward_model: Path,
    tokenizer: PreTrainedTokenizerBase,
    coefficient: float,
    penalty: float,
) -> None:
    """r(x, y) − penalty if y does not end − β (log π(y|x) − log π_SFT(y|x)), at the sampling temperature (B.3)."""
    changed = {"kl_coefficient": coefficient, "missing_eos_penalty": penalty, "epochs": 1, "response_length": 40}
    trainer = ppo_trainer(make_job("ppo", **{**WHOLE, **changed}), [])
    trainer.model.policy.load_state_dict(AutoModelForCausalLM.from_pretrained(other).state_dict())
    answers = sampled(trainer, tokenizer.eos_token_id)
    trainer.train()

    policy, reference = (Scorer(folder, tokenizer, temperature=0.7) for folder in (other, base))
    model = AutoModelForSequenceClassification.from_pretrained(reward_model, num_labels=1).eval()
    prompts = [prompt_of(row) for row in rows(data["ppo"])]
    scores, divergences = [], []
    for ids, ended in answers:
        text = tokenizer.decode(ids)
        prompt = next(prompt for prompt in prompts if text.startswith(prompt))
        answer = ids[len(tokenizer(prompt)["input_ids"]) :]
        with torch.no_grad():
            hidden = model.model(torch.tensor([ids])).last_hidden_state[0, -1]
        scores.append(float(hidden @ model.score.weight[0]) - (0 if ended else penalty))
        divergences.append(policy.of_tokens(prompt, answer) - reference.of_tokens(prompt, answer))
    assert len(answers) == 6
    assert {ended for _, ended in answers} == {True, False}
    logged = trainer.state.log_history[0]
    assert logged["objective/scores"] == pytest.approx(sum(scores) / 6, rel=1e-4)
    assert logged["objective/kl"] == pytest.approx(sum(divergences) / 6, rel=1e-4)
    assert logged["objective/rlhf_reward"] == pytest.approx(
        (sum(scores) - coefficient * sum(divergences)) / 6, rel=1e-4
    )


@pytest.mark.parametrize("algorithm", ROLLOUTS)
def test_a_large_kl_coefficient_pins_the_policy_and_a_small_one_lets_it_move(
    make_job: MakeJob, data: dict[str, Path], tmp_path: Path, algorithm: str
) -> None:
    pl.concat([pl.read_parquet(data[algorithm])] * 8).write_parquet(tmp_path / "pairs.parquet")
    changed = {"learning_rate": 3e-3, "epochs": 12, "batch_size": 48, "device_batch_size": 48, "response_length": 8}
    divergence = {}
    for coefficient in (1e-4, 100.0):
        job = make_job(algorithm, **changed, kl_coefficient=coefficient, job={"data": tmp_path / "pairs.parquet"})
        train(job)
        divergence[coefficient] = sum(map(abs, logged(job.folder, "kl")[-4:]))
    assert divergence[100.0] < 0.3 * divergence[1e-4]


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

    def log_odds(row: Row, key: str) -> float:
        total, count = score(prompt_of(row), answer_of(row, key))
        return total / count - math.log1p(-math.exp(total / count))

    def likelihood(row: Row) -> tuple[float, int]:
        text = prompt_of(row) + answer_of(row, "chosen")
        first = tokenizer.decode(tokenizer(text)["input_ids"][:1])
        return score(first, text.removeprefix(first))

    pairs = rows(data["orpo"])
    whole = [likelihood(row) for row in pairs]
    odds = [log_sigmoid(log_odds(row, "chosen") - log_odds(row, "rejected")) for row in pairs]
    expected = -sum(total for total, _ in whole) / sum(count for _, count in whole) - beta * sum(odds) / len(odds)
    assert loss_on_all_rows(orpo_trainer(make_job("orpo", beta=beta, **WHOLE), [])) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("algorithm", ["grpo", "rloo"])
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
