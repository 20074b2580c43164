"""Every hyper-parameter does what its name says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training_rows import PAPER, ROLLOUTS, Finished, MakeJob, final_weights, largest_difference, logged

from valuedrift.config.hyperparameters import SETTINGS
from valuedrift.training.algorithms import ALGORITHMS
from valuedrift.training.checkpoints import SaveTrajectory
from valuedrift.training.scoring import scalar_model

LOSSES = ["sft", "reward", "dpo", "simpo"]

# Settings that all algorithms pass on in one place; they are changed for the paper's algorithms only.
COMMON = {"learning_rate": 1e-3, "warmup_ratio": 0.5, "epochs": 1, "batch_size": 6}
OWN = {"max_length": 31, "response_length": 8, "beta": 0.1, "gamma": 0.0, "kl_coefficient": 0.5, "temperature": 1.0}
OWN |= {"missing_eos_penalty": 5.0, "ppo_epochs": 2, "answers": 4}
OTHER_VALUES = {("sft", "max_length"): 20, ("simpo", "beta"): 2.0, ("ppo", "missing_eos_penalty"): 0.0}
OTHER_VALUES |= {(algorithm, "max_length"): 24 for algorithm in ROLLOUTS}
CHANGES = [
    (algorithm, option, OTHER_VALUES.get((algorithm, option), value))
    for algorithm in ALGORITHMS
    for option, value in (COMMON | OWN if algorithm in PAPER else OWN).items()
    if option in SETTINGS[algorithm].model_fields
]


def test_every_algorithm_with_settings_has_a_trainer_and_every_setting_a_test() -> None:
    assert set(ALGORITHMS) == set(SETTINGS) - {"pretrain"}
    known = {option for settings in SETTINGS.values() for option in settings.model_fields}
    assert known - COMMON.keys() - OWN.keys() == {"device_batch_size", "bf16", "gradient_checkpointing", "lora"}


@pytest.mark.parametrize(("algorithm", "option", "value"), CHANGES)
def test_changing_an_option_changes_the_run(finished: Finished, algorithm: str, option: str, value: float) -> None:
    changed = {option: value} | ({"device_batch_size": value} if option == "batch_size" else {})
    folder = finished(algorithm, **changed)
    assert largest_difference(final_weights(folder), final_weights(finished(algorithm))) > 1e-6


@pytest.mark.parametrize("algorithm", [*LOSSES, "ipo", "orpo"])
def test_the_device_batch_changes_no_result(finished: Finished, algorithm: str) -> None:
    """Except for ORPO, whose likelihood is a mean over the tokens of a device batch."""
    folder = finished(algorithm, device_batch_size=2)
    limit = 5e-2 if algorithm == "orpo" else 1e-4
    assert largest_difference(final_weights(folder), final_weights(finished(algorithm))) < limit


def test_ppo_takes_its_rollouts_in_device_batches(make_job: MakeJob) -> None:
    assert ALGORITHMS["ppo"](make_job("ppo", device_batch_size=2), []).args.local_rollout_forward_batch_size == 2


@pytest.mark.parametrize("algorithm", [*LOSSES, "ppo"])
def test_gradient_checkpointing_is_switched_on_and_changes_no_result(
    make_job: MakeJob, finished: Finished, algorithm: str
) -> None:
    job = make_job(algorithm, gradient_checkpointing=True)
    trainer = ALGORITHMS[algorithm](job, [SaveTrajectory(job.folder, job.steps)])
    trainer.train()
    assert largest_difference(final_weights(job.folder), final_weights(finished(algorithm))) < 1e-5
    parts = (trainer.model.policy, trainer.model.value_model) if algorithm == "ppo" else (trainer.model,)
    assert all(part.is_activation_checkpointing for part in parts)


@pytest.mark.parametrize("algorithm", [*LOSSES, "ppo"])
def test_bf16_computes_coarsely_but_small_updates_still_reach_every_weight(
    finished: Finished, base: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    """At the paper's learning rates nearly every update is smaller than the distance between two bf16 numbers."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    coarse = finished(algorithm, bf16=True)
    assert largest_difference(final_weights(coarse), final_weights(finished(algorithm))) > 1e-5

    slow = finished(algorithm, bf16=True, learning_rate=5e-7)
    start, end = load_file(base / "model.safetensors"), final_weights(slow)
    matrices = [name for name in start if "layers" in name and start[name].dim() == 2]
    unmoved = sum(int((start[name].to(end[name].dtype) == end[name]).sum()) for name in matrices)
    assert unmoved < 0.05 * sum(start[name].numel() for name in matrices)


@pytest.mark.parametrize(("bf16", "attention"), [(False, "sdpa"), (True, "eager")])
def test_bf16_has_the_attention_that_is_fast_on_cpus(make_job: MakeJob, bf16: bool, attention: str) -> None:
    job = make_job("ppo", bf16=bf16)
    assert job.model().config._attn_implementation == attention
    assert scalar_model(job).config._attn_implementation == attention


@pytest.mark.parametrize("warmup", [0.0, 0.5])
def test_the_learning_rate_rises_for_its_warm_up_and_falls_as_a_cosine(finished: Finished, warmup: float) -> None:
    found = logged(finished("sft", epochs=4, warmup_ratio=warmup), "learning_rate")
    rising = round(8 * warmup)
    expected = [
        1e-2 * (step / rising if step < rising else (1 + math.cos(math.pi * (step - rising) / (8 - rising))) / 2)
        for step in range(8)
    ]
    assert found == pytest.approx(expected, abs=1e-9)


def test_weights_do_not_decay(finished: Finished, base: Path, tokenizer: Any) -> None:
    """Embeddings of tokens that no row has get no gradient from a reward model's loss, so only decay moves them."""
    name = "model.embed_tokens.weight"
    start, end = load_file(base / "model.safetensors")[name], final_weights(finished("reward"))[name]
    absent = tokenizer.convert_tokens_to_ids("Q")
    assert torch.equal(start[absent], end[absent])
    assert not torch.equal(start, end)
