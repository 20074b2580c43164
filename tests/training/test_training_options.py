"""Every hyper-parameter does what its name says."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from valuedrift.config.hyperparameters import SETTINGS
from valuedrift.training.algorithms import ALGORITHMS
from valuedrift.training.checkpoints import SaveTrajectory
from valuedrift.training.job import Job
from valuedrift.training.train import train

MakeJob = Callable[..., Job]
Finished = Callable[[str], Path]
Tensors = dict[str, torch.Tensor]
LOSSES = ["sft", "reward", "dpo", "simpo"]

# Changed values, and the steps that the run then takes.
CHANGES: dict[str, list[tuple[dict[str, Any], tuple[int, ...]]]] = {
    "sft": [({"max_length": 20}, (2, 4))],
    "reward": [({"max_length": 31}, (2, 4)), ({"response_length": 8}, (2, 4))],
    "dpo": [({"max_length": 31}, (2, 4)), ({"response_length": 8}, (2, 4)), ({"beta": 0.1}, (2, 4))],
    "simpo": [
        ({"max_length": 31}, (2, 4)),
        ({"response_length": 8}, (2, 4)),
        ({"beta": 2.0}, (2, 4)),
        ({"gamma": 0.0}, (2, 4)),
    ],
    "ppo": [
        ({"max_length": 24}, (2, 3)),
        ({"response_length": 8}, (2, 3)),
        ({"kl_coefficient": 0.5}, (2, 3)),
        ({"temperature": 1.0}, (2, 3)),
        ({"missing_eos_penalty": 0.0}, (2, 3)),
        ({"ppo_epochs": 2}, (2, 3)),
        ({"learning_rate": 1e-3}, (2, 3)),
        ({"warmup_ratio": 0.5}, (2, 3)),
        ({"epochs": 1}, (2,)),
        ({"batch_size": 6, "device_batch_size": 6}, (2,)),
    ],
}
for _algorithm in ("ipo", "kto", "orpo"):
    _steps = (2, 6) if _algorithm == "kto" else (2, 4)
    CHANGES[_algorithm] = [({"beta": 0.1}, _steps), ({"response_length": 8}, _steps), ({"max_length": 31}, _steps)]
_GROUP_CHANGES: dict[str, float] = {"kl_coefficient": 0.5, "temperature": 1.0, "missing_eos_penalty": 5.0}
_GROUP_CHANGES |= {"response_length": 8, "max_length": 24}
for _algorithm in ("grpo", "rloo"):
    CHANGES[_algorithm] = [({name: value}, (2, 6)) for name, value in _GROUP_CHANGES.items()]
    CHANGES[_algorithm].append(({"answers": 4}, (2, 12)))
for _algorithm in LOSSES:
    CHANGES[_algorithm] += [
        ({"learning_rate": 1e-3}, (2, 4)),
        ({"warmup_ratio": 0.5}, (2, 4)),
        ({"epochs": 1}, (2,)),
        ({"batch_size": 6, "device_batch_size": 6}, (2,)),
    ]


def test_every_algorithm_with_settings_has_a_trainer() -> None:
    assert set(ALGORITHMS) == set(SETTINGS) - {"pretrain"}


def final_weights(folder: Path) -> Tensors:
    return load_file(max(folder.glob("step-*")) / "model.safetensors")


def largest_difference(one: Tensors, other: Tensors) -> float:
    return max(float((one[name].float() - other[name].float()).abs().max()) for name in one)


@pytest.mark.parametrize(
    ("algorithm", "changed", "steps"),
    [
        pytest.param(algorithm, *change, id=f"{algorithm}-{'-'.join(change[0])}")
        for algorithm, changes in CHANGES.items()
        for change in changes
    ],
)
def test_changing_an_option_changes_the_run(
    make_job: MakeJob, finished: Finished, algorithm: str, changed: dict[str, Any], steps: tuple[int, ...]
) -> None:
    job = make_job(algorithm, job={"steps": steps}, **changed)
    train(job)
    assert largest_difference(final_weights(job.folder), final_weights(finished(algorithm))) > 1e-6


@pytest.mark.parametrize("algorithm", [*LOSSES, "ipo", "orpo"])
def test_the_device_batch_changes_no_result(make_job: MakeJob, finished: Finished, algorithm: str) -> None:
    """Except for ORPO, whose likelihood is a mean over the tokens of a device batch."""
    job = make_job(algorithm, device_batch_size=2)
    train(job)
    limit = 5e-2 if algorithm == "orpo" else 1e-4
    assert largest_difference(final_weights(job.folder), final_weights(finished(algorithm))) < limit


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
    make_job: MakeJob, finished: Finished, base: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    """At the paper's learning rates nearly every update is smaller than the distance between two bf16 numbers."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    coarse = make_job(algorithm, bf16=True)
    train(coarse)
    assert largest_difference(final_weights(coarse.folder), final_weights(finished(algorithm))) > 1e-5

    slow = make_job(algorithm, bf16=True, learning_rate=5e-7)
    train(slow)
    start, end = load_file(base / "model.safetensors"), final_weights(slow.folder)
    matrices = [name for name in start if "layers" in name and start[name].dim() == 2]
    unmoved = sum(int((start[name].to(end[name].dtype) == end[name]).sum()) for name in matrices)
    assert unmoved < 0.05 * sum(start[name].numel() for name in matrices)


@pytest.mark.parametrize("warmup", [0.0, 0.5])
def test_the_learning_rate_rises_for_its_warm_up_and_falls_as_a_cosine(make_job: MakeJob, warmup: float) -> None:
    job = make_job("sft", epochs=4, warmup_ratio=warmup, job={"steps": (8,)})
    train(job)
    metrics = pl.read_parquet(job.folder / "metrics.parquet").filter(pl.col("metric") == "learning_rate")
    rising = round(8 * warmup)
    expected = [
        1e-2 * (step / rising if step < rising else (1 + math.cos(math.pi * (step - rising) / (8 - rising))) / 2)
        for step in range(8)
    ]
    assert metrics.sort("step")["value"].to_list() == pytest.approx(expected, abs=1e-9)


def test_weights_do_not_decay(make_job: MakeJob, base: Path, tokenizer: Any) -> None:
    """Embeddings of tokens that no row has get no gradient from a reward model's loss, so only decay moves them."""
    job = make_job("reward")
    train(job)
    name = "model.embed_tokens.weight"
    start, end = load_file(base / "model.safetensors")[name], final_weights(job.folder)[name]
    absent = tokenizer.convert_tokens_to_ids("Q")
    assert torch.equal(start[absent], end[absent])
    assert not torch.equal(start, end)
