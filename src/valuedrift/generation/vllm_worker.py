"""A method added to vLLM's worker process: it returns digests of the worker's weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from valuedrift.models.weights import digest

Location = tuple[torch.Tensor, int]


class HeldWeights:
    """vLLM mixes this into its worker class, by name (`worker_extension_cls`)."""

    def held_digests(self, shapes: dict[str, list[int]]) -> dict[str, str]:
        """Return digests of a checkpoint's tensors, computed from the model's parameters.

        Layers that vLLM packs into one (query, key and value; gate and up) are separated, and rows that it appends to
        the vocabulary are left out. Tensors that the model doesn't expose, for example because it keeps another form of
        them, are missing. Parameters that belong to no tensor are listed under their own names.

        Args:
            shapes: tensor name → its shape in the file.
        """
        model: Any = self.get_model()  # type: ignore[attr-defined]  # the worker has it
        held: dict[str, torch.Tensor] = dict(model.named_parameters(remove_duplicate=False))
        found = {name: location(name, shapes, held, model.packed_modules_mapping) for name in shapes}
        digests = {name: digest(rows) for name in shapes if (rows := _rows(found[name], shapes[name])) is not None}
        known = {id(where[0]) for where in found.values() if where}
        return digests | {name: digest(tensor) for name, tensor in held.items() if id(tensor) not in known}


def location(
    name: str, shapes: dict[str, list[int]], held: Mapping[str, torch.Tensor], packed: Mapping[str, list[str]]
) -> Location | None:
    """Return the parameter that contains a checkpoint's tensor, and the tensor's first row in it; None without one.

    Args:
        held: the model's parameters by name.
        packed: a packed layer's name → the layers that it consists of, in order.
    """
    if name in held:
        return held[name], 0
    module, _, kind = name.rpartition(".")
    parent, _, layer = module.rpartition(".")
    for whole, parts in packed.items():
        if layer in parts and f"{parent}.{whole}.{kind}" in held:
            before = parts[: parts.index(layer)]
            return held[f"{parent}.{whole}.{kind}"], sum(shapes[f"{parent}.{part}.{kind}"][0] for part in before)
    return None


def _rows(where: Location | None, shape: list[int]) -> torch.Tensor | None:
    """Return the rows of a parameter that are the tensor of this shape; None if there are no such rows."""
    if where is None:
        return None
    tensor, start = where
    rows = tensor[start : start + shape[0]] if tensor.ndim else tensor
    return rows if list(rows.shape) == list(shape) else None
