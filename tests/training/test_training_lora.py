"""Adapters: what is trained, and that checkpoints are plain weights which say the same as model and adapters did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training_rows import Finished, MakeJob, final_weights, largest_difference
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from valuedrift.errors import ConfigError
from valuedrift.training.algorithms import ALGORITHMS
from valuedrift.training.job import Job
from valuedrift.training.lora import merged, policy, with_adapters

LORA: dict[str, Any] = {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": ["q_proj", "v_proj"]}
TOKENS = torch.tensor([[5, 6, 7, 8, 9]])


def adapted(job: Job) -> Any:
    """The job's policy with adapters that do something."""
    model = policy(job)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    return model


def test_adapters_start_as_nothing_and_are_all_that_is_trained(make_job: MakeJob, base: Path) -> None:
    model = policy(make_job("sft", lora=LORA))
    trained = {name.split(".")[-3] for name, weight in model.named_parameters() if weight.requires_grad}
    layers = {name.split(".")[-4] for name, weight in model.named_parameters() if weight.requires_grad}
    assert (trained, layers) == ({"lora_A", "lora_B"}, {"q_proj", "v_proj"})
    plain = AutoModelForCausalLM.from_pretrained(base)
    assert torch.equal(model(TOKENS).logits, plain(TOKENS).logits)


def test_without_lora_all_parameters_are_trained(make_job: MakeJob) -> None:
    assert all(weight.requires_grad for weight in policy(make_job("sft")).parameters())


def test_merged_weights_are_those_of_w_plus_alpha_over_rank_times_b_a(make_job: MakeJob, base: Path) -> None:
    model = adapted(make_job("sft", lora=LORA))
    with torch.no_grad():
        expected = model(TOKENS).logits
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = merged(model, model.state_dict())

    plain = AutoModelForCausalLM.from_pretrained(base)
    assert {name: tensor.shape for name, tensor in plain.state_dict().items()} == {
        name: tensor.shape for name, tensor in state.items()
    }
    plain.load_state_dict(state)
    assert torch.allclose(plain(TOKENS).logits, expected, atol=1e-4, rtol=1e-4)
    name = "model.layers.0.self_attn.q_proj"
    layer = f"base_model.model.{name}"
    delta = before[f"{layer}.lora_B.default.weight"] @ before[f"{layer}.lora_A.default.weight"]
    assert torch.allclose(state[f"{name}.weight"], before[f"{layer}.base_layer.weight"] + 2 * delta, atol=1e-6)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_merging_agrees_with_peft(make_job: MakeJob) -> None:
    model = adapted(make_job("sft", lora={**LORA, "alpha": 3, "rank": 2}))
    ours = merged(model, model.state_dict())
    theirs = model.merge_and_unload().state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_checkpoints_are_plain_weights_in_which_only_targets_moved(
    finished: Finished, base: Path, algorithm: str
) -> None:
    checkpoint = max(finished(algorithm, lora=LORA).glob("step-*"))
    assert not list(checkpoint.glob("adapter*"))
    start, end = load_file(base / "model.safetensors"), load_file(checkpoint / "model.safetensors")
    head = {"score.weight"} if algorithm == "reward" else set()
    assert end.keys() == start.keys() | head
    moved = {name for name in start if not torch.equal(start[name], end[name])}
    assert moved == {f"model.layers.0.self_attn.{target}.weight" for target in LORA["targets"]}
    kind = AutoModelForSequenceClassification if algorithm == "reward" else AutoModelForCausalLM
    _, report = kind.from_pretrained(checkpoint, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]


def test_a_reward_models_head_is_trained_in_full(finished: Finished) -> None:
    runs = [finished("reward", lora=LORA, epochs=epochs, batch_size=6, device_batch_size=6) for epochs in (1, 2)]
    assert not torch.equal(*(final_weights(run)["score.weight"] for run in runs))


OPTIONS = [("sft", changed) for changed in ({"rank": 2}, {"alpha": 16}, {"targets": ["o_proj"]})]
# Trainers differ in whether they switch a model's dropout off.
OPTIONS += [(algorithm, {"dropout": 0.5}) for algorithm in ALGORITHMS if algorithm != "ppo"]


@pytest.mark.parametrize(("algorithm", "changed"), OPTIONS)
def test_every_option_of_lora_changes_the_run(finished: Finished, algorithm: str, changed: dict[str, Any]) -> None:
    one, other = (final_weights(finished(algorithm, lora={**LORA, **options})) for options in ({}, changed))
    assert largest_difference(one, other) > 0


def test_the_same_seed_gives_the_same_adapters_and_another_seed_others(make_job: MakeJob) -> None:
    found = []
    for seed in (0, 0, 1):
        torch.rand(1)
        model = policy(make_job("sft", lora=LORA, job={"seed": seed}))
        found.append(next(weight for name, weight in model.named_parameters() if "lora_A" in name))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_gradients_reach_adapters_through_recomputed_activations(finished: Finished) -> None:
    one, other = (final_weights(finished("sft", lora=LORA, **how)) for how in ({}, {"gradient_checkpointing": True}))
    assert largest_difference(one, other) < 1e-5


@pytest.mark.parametrize("target", ["query", "input_layernorm", "lm_head"])
def test_a_target_that_is_no_linear_layer_of_its_own_is_named_with_those_that_are(
    make_job: MakeJob, target: str
) -> None:
    """The tiny model's output layer is its embeddings, which a checkpoint holds once."""
    job = make_job("sft", lora={**LORA, "targets": ["q_proj", target]})
    with pytest.raises(ConfigError, match=rf"training\.sft\.lora\.targets.*\['{target}'\].*down_proj.*q_proj"):
        with_adapters(job, job.model())
