"""Add low-rank adapters to a model, and merge them into plain weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel

from valuedrift.config.hyperparameters import Lora
from valuedrift.errors import ConfigError
from valuedrift.training.job import Job

State = dict[str, torch.Tensor]
_PREFIX = "base_model.model."


def policy(job: Job) -> PreTrainedModel | PeftModel:
    """Return the model that a run trains: its starting checkpoint, with adapters if the settings ask for them."""
    return with_adapters(job, job.model())


def with_adapters(job: Job, model: PreTrainedModel, whole: tuple[str, ...] = ()) -> PreTrainedModel | PeftModel:
    """Add adapters, which change nothing yet (B = 0); without `lora`, return the model unchanged.

    Args:
        whole: modules that are trained in full in addition to the adapters, such as a reward model's new head.

    Raises:
        ConfigError: a target names no linear layer of the model.
    """
    lora = job.settings.lora
    if lora is None:
        return model
    _require_targets(job.algorithm, lora, model)
    torch.manual_seed(job.seed)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
        modules_to_save=list(whole) or None,
    )
    return get_peft_model(model, config)


def merged(model: PeftModel, state: Mapping[str, torch.Tensor]) -> State:
    """Return plain weights under their plain names, from the state dictionary of a model with adapters.

    The model doesn't change: merging in place and undoing it would leave rounding errors in the weights being trained.
    """
    config = model.peft_config["default"]
    scaling = config.lora_alpha / config.r
    found: State = {}
    for name, tensor in state.items():
        plain = name.removeprefix(_PREFIX)
        if ".base_layer." in plain:
            layer = name.split(".base_layer.")[0]
            delta = state[f"{layer}.lora_B.default.weight"].float() @ state[f"{layer}.lora_A.default.weight"].float()
            weight = plain.endswith(".weight")
            found[plain.replace(".base_layer", "")] = (
                (tensor.float() + scaling * delta).to(tensor.dtype) if weight else tensor
            )
        elif ".modules_to_save.default." in plain:
            found[plain.replace(".modules_to_save.default", "")] = tensor
        elif ".lora_" not in plain and ".original_module." not in plain:
            found[plain] = tensor
    return found


def _require_targets(algorithm: str, lora: Lora, model: PreTrainedModel) -> None:
    # A checkpoint of a model with tied embeddings can't hold a separate output layer.
    tied = model.get_output_embeddings() if model.config.tie_word_embeddings else None
    linear = {
        name.rpartition(".")[2]
        for name, part in model.named_modules()
        if isinstance(part, torch.nn.Linear) and part is not tied
    }
    unknown = [target for target in lora.targets if target not in linear]
    if unknown:
        raise ConfigError(
            f"training.{algorithm}.lora.targets", unknown, f"linear layers of the model: {', '.join(sorted(linear))}"
        )
