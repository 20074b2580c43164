"""A method added to vLLM's worker processes: it returns digests of the model's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from valuedrift.models.weights import digest

Location = tuple[torch.Tensor, int, int]


class HeldWeights:
    """vLLM mixes this into its worker class, by name (`worker_extension_cls`)."""

    def held_digests(self, shapes: dict[str, list[int]]) -> dict[str, str]:
        """Return digests of a checkpoint's tensors, computed from the model's parameters.

        Layers that vLLM packs into one (query, key and value; gate and up) are separated, and rows that it appends to
        the vocabulary are left out. Tensors that are divided over several processes are put together from all of them;
        each process reads its own part, also of those that all have. Tensors that the model doesn't expose, for example
        because it keeps another form of them, are missing. Parameters that belong to no tensor are listed under their
        own names.

        Args:
            shapes: tensor name → its shape in the file.
        """
        model: Any = self.get_model()  # type: ignore[attr-defined]  # the worker has it
        held: dict[str, torch.Tensor] = dict(model.named_parameters(remove_duplicate=False))
        ranks: int = self.parallel_config.tensor_parallel_size  # type: ignore[attr-defined]
        found = {name: location(name, shapes, held, model.packed_modules_mapping, ranks) for name in shapes}
        wholes = ((name, _whole(found[name], shapes[name], ranks)) for name in shapes)
        digests = {name: digest(tensor) for name, tensor in wholes if tensor is not None}
        known = {id(where[0]) for where in found.values() if where}
        return digests | {name: digest(tensor) for name, tensor in held.items() if id(tensor) not in known}


def location(
    name: str,
    shapes: dict[str, list[int]],
    held: Mapping[str, torch.Tensor],
    packed: Mapping[str, list[str]],
    ranks: int = 1,
) -> Location | None:
    """Return the parameter that contains a checkpoint's tensor, the first row in it and their number; None without one.

    Args:
        held: the model's parameters by name, as one process has them.
        packed: a packed layer's name → the layers that it consists of, in order.
        ranks: the number of processes.
    """
    module, _, kind = name.rpartition(".")
    parent, _, layer = module.rpartition(".")
    if name in held:
        is_mixed = ranks > 1 and layer in packed  # packed in the file too, and not divided in this order
        return held[name], 0, 0 if is_mixed else held[name].shape[0] if held[name].ndim else 1
    for whole, parts in packed.items():
        tensor, names = held.get(f"{parent}.{whole}.{kind}"), [f"{parent}.{part}.{kind}" for part in parts]
        if name in names and tensor is not None and shapes.keys() >= {*names}:
            rows = _own_rows([shapes[part][0] for part in names], len(tensor), ranks)
            return tensor, sum(rows[: names.index(name)]), rows[names.index(name)]
    return None


def _own_rows(rows: Sequence[int], held: int, ranks: int) -> list[int]:
    """Return how many rows of each part of a packed layer one process has, of `held` rows.

    The first part is divided evenly. The others are too, except keys and values with fewer heads than processes.
    """
    first, *others = rows
    return [first // ranks, *(each * (held - first // ranks) // sum(others) for each in others)]


def _whole(where: Location | None, shape: Sequence[int], ranks: int) -> torch.Tensor | None:
    """Return the tensor of this shape of which a parameter contains one process's part; None if it has another form."""
    if where is None:
        return None
    tensor, start, count = where
    part = tensor[start : start + count] if tensor.ndim else tensor
    if part.ndim != len(shape) or not part.numel():
        return None
    for axis, size in enumerate(shape):
        if part.shape[axis] < size and ranks > 1:
            part = _gathered(part, axis, size, ranks)
    rows = part[: shape[0]] if part.ndim else part
    return rows if list(rows.shape) == list(shape) else None


def _gathered(part: torch.Tensor, axis: int, size: int, ranks: int) -> torch.Tensor:
    """Put a tensor together from the parts of all processes; of a part that several have, each reads its own."""
    from vllm.distributed import get_tensor_model_parallel_rank, tensor_model_parallel_all_gather

    parts = tensor_model_parallel_all_gather(part.contiguous(), axis).chunk(ranks, axis)
    copies = max(1, ranks * part.shape[axis] // size)
    return torch.cat(parts[get_tensor_model_parallel_rank() % copies :: copies], axis)
