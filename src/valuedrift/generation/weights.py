"""Read a checkpoint's safetensors into a model that is already in memory."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from transformers import PreTrainedModel

from valuedrift.errors import ArtifactError
from valuedrift.training.checkpoints import require_model


def load_weights(model: PreTrainedModel, folder: Path) -> None:
    """Replace every weight of `model` by the folder's. Raises ArtifactError naming what does not fit."""
    require_model(folder)
    own = dict(model.state_dict())
    tied = set(model.all_tied_weights_keys or ())
    seen: set[str] = set()
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118  # not a mapping
                _copy(file, name, tensors.get_tensor(name), own)
                seen.add(name)
    missing = sorted(set(own) - seen - tied)
    if missing:
        raise ArtifactError(folder, f"no tensor {missing[0]!r}", f"all {len(own)} tensors of the model's architecture")


def _copy(file: Path, name: str, tensor: torch.Tensor, own: dict[str, torch.Tensor]) -> None:
    if name not in own:
        raise ArtifactError(file, f"tensor {name!r}", "tensors of the model's architecture only")
    if tensor.shape != own[name].shape:
        raise ArtifactError(file, f"{name!r} of shape {tuple(tensor.shape)}", f"shape {tuple(own[name].shape)}")
    if not torch.isfinite(tensor).all():
        raise ArtifactError(file, f"NaN or infinity in {name!r}", "finite weights", "Lower the learning rate.")
    own[name].copy_(tensor)
