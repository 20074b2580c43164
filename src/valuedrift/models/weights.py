"""Weights in safetensors files: proven to be all of a model's before they are used, and identified by a digest."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial, reduce
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedModel

from valuedrift.digests import text_digest
from valuedrift.errors import ArtifactError, in_one_line
from valuedrift.models.architecture import COPIED, Architecture, file_tensors, model_config
from valuedrift.models.model_folder import require_model

# Marks that torch.compile, FSDP and activation checkpointing leave within names.
_WRAPPERS = re.compile(r"_orig_mod\.|_fsdp_wrapped_module\.|_checkpoint_wrapped_module\.")
# Constants that older versions of transformers saved, and newer ones compute: rotation frequencies, positions, masks.
_CONSTANTS = re.compile(r"(^|\.)(rotary_emb\.inv_freq|position_ids|attn\.(masked_)?bias|attention\.(masked_)?bias)$")
_KINDS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}

RETRAINED = "Train its run again; if weights are not finite, with a lower learning rate."
WEIGHTS = "model.safetensors"
SEPARATE = "Checkpoints of one stage are one model; make this one a stage of its own."


@dataclass(frozen=True)
class Tensor:
    """A tensor's place: a file, and its name there, which may have a wrapper's prefix."""

    file: Path
    name: str

    def read(self) -> torch.Tensor:
        with safe_open(self.file, framework="pt") as tensors:
            tensor: torch.Tensor = tensors.get_tensor(self.name)
        return tensor

    def shape(self) -> tuple[int, ...]:
        with safe_open(self.file, framework="pt") as tensors:
            return tuple(tensors.get_slice(self.name).get_shape())

    def kind(self) -> str:
        with safe_open(self.file, framework="pt") as tensors:
            return str(tensors.get_slice(self.name).get_dtype())


@dataclass(frozen=True)
class Made(Tensor):
    """A tensor that was computed from files, and is in memory."""

    values: torch.Tensor

    def read(self) -> torch.Tensor:
        return self.values.clone()  # a model may take the tensor as its own, and change it

    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)


@dataclass(frozen=True)
class Checkpoint:
    """A folder's weights, read and checked. Tied tensors, which files may leave out, are included.

    Attributes:
        digests: tensor name → SHA-256 of its values in the engine's precision.
        shapes: tensor name → shape.
        tensors: tensor name → where it is.
        architecture: the model that it is of.
    """

    folder: Path
    digests: dict[str, str]
    shapes: dict[str, tuple[int, ...]]
    tensors: dict[str, Tensor] = field(default_factory=dict)
    architecture: Architecture | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the folder is in the form that `save_pretrained` writes, so that any program can load it."""
        whole = any((self.folder / name).is_file() for name in (WEIGHTS, f"{WEIGHTS}.index.json"))
        as_named = all(type(place) is Tensor and place.name == name for name, place in self.tensors.items())
        return not self.tensors or (whole and as_named)

    @property
    def identity(self) -> str:
        """The digest of all weights; it doesn't depend on how they are divided over files."""
        return text_digest(json.dumps(self.digests, sort_keys=True))


def load_model(
    folder: Path,
    dtype: torch.dtype | None = None,
    auto: Any = AutoModelForCausalLM,
    new_head: bool = False,
    **changed: Any,
) -> PreTrainedModel:
    """Load a model, and prove that each of its weights has the value that the folder's files give.

    Args:
        folder: a model's folder.
        dtype: precision of the weights; by default the widest in the files, so that no value changes.
        auto: the kind of model, a class such as AutoModelForCausalLM.
        new_head: the files are those of a causal language model, and the head of `auto` gets random weights.
        changed: settings in place of those in config.json.

    Raises:
        ArtifactError: a weight is missing, unknown, not finite, of another shape, or not what the loader made of it.
    """
    architecture = Architecture.of(folder, AutoModelForCausalLM if new_head else auto, **changed)
    files = tensors_in(folder)
    dtype = dtype or _widest(files)
    checkpoint = check_tensors(folder, architecture, dtype, COPIED, files)
    try:
        model = start_model(checkpoint, dtype, auto)
        if (folder / "generation_config.json").is_file():
            model.generation_config = GenerationConfig.from_pretrained(folder)
    except (ValueError, KeyError, TypeError, RuntimeError, OSError) as error:
        raise ArtifactError(folder, in_one_line(error), "a model that transformers can load", COPIED) from error
    require_held(model, checkpoint, within=f"{model.base_model_prefix}." if new_head else "")
    return model


def start_model(checkpoint: Checkpoint, dtype: torch.dtype, auto: Any = AutoModelForCausalLM) -> PreTrainedModel:
    """Return a model with a checkpoint's weights; they aren't proven yet."""
    made = checkpoint.architecture
    if made is None or checkpoint.is_plain:
        changed = made.changed if made else {}
        return auto.from_pretrained(
            checkpoint.folder, dtype=dtype, use_safetensors=True, trust_remote_code=False, **changed
        )
    values = {name: place.read() for name, place in checkpoint.tensors.items()}
    return made.kind.from_pretrained(
        None, config=model_config(made.folder, **made.changed), state_dict=values, dtype=dtype
    )


def as_plain_folder(checkpoint: Checkpoint, spare: Path) -> Path:
    """Return a folder with a checkpoint's weights that any program can load: its own, or `spare`, which is written."""
    if checkpoint.is_plain or checkpoint.architecture is None:
        return checkpoint.folder
    values = {name: place.read().contiguous() for name, place in checkpoint.tensors.items()}
    model_config(checkpoint.architecture.folder, **checkpoint.architecture.changed).save_pretrained(spare)
    save_file(values, spare / WEIGHTS, metadata={"format": "pt"})
    return spare


def read_model(folder: Path, dtype: torch.dtype, auto: Any = AutoModelForCausalLM) -> Checkpoint:
    """Read and check the whole model in a folder; raise ArtifactError like `load_model`."""
    return check_tensors(folder, Architecture.of(folder, auto), dtype, COPIED, tensors_in(folder))


def read_checkpoint(folder: Path, architecture: Architecture, dtype: torch.dtype) -> Checkpoint:
    """Read and check a whole checkpoint that was trained from a model of this architecture.

    Raises:
        ArtifactError: a file or tensor can't be read or doesn't fit the architecture; names it.
    """
    require_model(folder)
    architecture.require_same(folder)
    return check_tensors(folder, architecture, dtype, RETRAINED, tensors_in(folder))


def require_held(model: PreTrainedModel, checkpoint: Checkpoint, within: str = "") -> None:
    """Raise ArtifactError unless a model in memory holds exactly the values of a checkpoint.

    Args:
        model: the model, in the precision in which the checkpoint was read.
        checkpoint: what it should hold.
        within: only tensors whose names begin like this are compared.
    """
    own = {name: tensor for name, tensor in file_tensors(model).items() if name.startswith(within)}
    # Some architectures keep a few weights in fp32, whatever the precision of the others.
    held = _each(lambda name: digest(own[name].to(model.dtype)), sorted(own))
    wrong = [name for name in differing(held, checkpoint) if name.startswith(within)]
    if wrong:
        raise ArtifactError(
            checkpoint.folder,
            f"other values in {wrong[0]!r} than in the files" + (f", and {len(wrong) - 1} more" if wrong[1:] else ""),
            "a model that is loaded as its files have it",
            "If something writes to the files, wait for it. If not, this version of transformers can't load the model.",
        )


def load_weights(model: PreTrainedModel, checkpoint: Checkpoint) -> None:
    """Replace every weight of `model` by the checkpoint's, and check the result.

    Raises:
        ArtifactError: the model's values are not those that were read before.
    """
    own = dict(model.state_dict())
    if other := [name for name, shape in checkpoint.shapes.items() if name in own and own[name].shape != shape]:
        found = f"{other[0]!r} of shape {checkpoint.shapes[other[0]]}"
        raise ArtifactError(checkpoint.folder, found, f"shape {tuple(own[other[0]].shape)}, as before it", SEPARATE)
    if checkpoint.shapes.keys() <= own.keys():
        for name, place in checkpoint.tensors.items():
            own[name].copy_(place.read())
    else:  # a model that joins or renames tensors in memory
        for name, tensor in start_model(checkpoint, model.dtype).state_dict().items():
            own[name].copy_(tensor)
    require_held(model, checkpoint)


def differing(held: Mapping[str, str], checkpoint: Checkpoint) -> list[str]:
    """Return the names of tensors whose values in an engine differ, that it doesn't expose, or that only it has."""
    names = sorted(held.keys() | checkpoint.digests.keys())
    return [name for name in names if held.get(name) != checkpoint.digests.get(name)]


def digest(tensor: torch.Tensor) -> str:
    """Return the SHA-256 of a tensor's bytes."""
    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return hashlib.sha256(data.data).hexdigest()


def tensors_in(folder: Path) -> dict[str, Tensor]:
    """Return the tensors of a folder's files by name; raise ArtifactError for a tensor in two files."""
    found: dict[str, Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            names = list(tensors.keys())
        for name in names:
            if name in found:
                do = "Remove the file that is left over."
                raise ArtifactError(file, f"tensor {name!r}, as in {found[name].file.name}", "every tensor once", do)
            found[name] = Tensor(file, name)
    return found


def check_tensors(
    folder: Path, architecture: Architecture, dtype: torch.dtype, do: str, files: Mapping[str, Tensor]
) -> Checkpoint:
    """Return a checkpoint of these tensors.

    Args:
        folder: its folder.
        architecture: the model that it is of.
        dtype: the engine's precision.
        do: what to do about a fault.
        files: its tensors, by the names that files give them.

    Raises:
        ArtifactError: a tensor is missing, unknown, not finite, or of another shape.
    """
    shapes = architecture.shapes
    tensors = _by_plain_name(files, shapes, architecture.kind.base_model_prefix)
    extra = sorted(name for name, place in tensors.items() if name not in shapes and not _is_constant(place))
    missing = sorted(shapes.keys() - tensors.keys() - architecture.tied.keys())
    if extra or missing:
        found = " and ".join(
            f"{what} {names[0]!r}" + (f" ({len(names)} such)" if names[1:] else "")
            for what, names in (("no tensor", missing), ("an unknown tensor", extra))
            if names
        )
        place = tensors[extra[0]].file if extra else folder
        if extra and not any(tensor.file == place for name, tensor in tensors.items() if name in shapes):
            do = "If other files hold the model, move this one away."
        raise ArtifactError(place, found, f"the {len(shapes)} tensors of {architecture.kind.__name__}, no others", do)
    tensors = {name: place for name, place in tensors.items() if name in shapes}
    digests = _each(partial(_checked_digest, tensors, shapes, dtype, do), sorted(tensors))
    for name, source in architecture.tied.items():
        if digests.setdefault(name, digests[source]) != digests[source]:
            raise ArtifactError(
                tensors[name].file,
                f"{name!r} unlike {source!r}",
                "equal values, because config.json ties them",
                "If the model was trained with both, set `tie_word_embeddings` to false in its config.json;"
                " if not, remove the tensor.",
            )
    return Checkpoint(folder, digests, shapes, tensors, architecture)


def _checked_digest(
    tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype, do: str, name: str
) -> str:
    """Return the digest of a tensor in this precision; raise ArtifactError if it doesn't fit or isn't finite."""
    file = tensors[name].file
    if (shape := tensors[name].shape()) != shapes[name]:
        found = f"{name!r} of shape {shape}"
        raise ArtifactError(file, found, f"shape {shapes[name]}, which follows from config.json", do)
    tensor = tensors[name].read()
    if tensor.dtype not in _KINDS.values():
        wanted = "floating-point weights: quantised ones can't be trained"
        raise ArtifactError(file, f"{name!r} of {str(tensor.dtype).removeprefix('torch.')}", wanted, do)
    if not torch.isfinite(tensor).all():
        raise ArtifactError(file, f"NaN or infinity in {name!r}", "finite weights", do)
    return digest(tensor.to(dtype))


def _by_plain_name(found: Mapping[str, Tensor], shapes: Collection[str], base: str) -> dict[str, Tensor]:
    """Return tensors by the model's names: without wrappers' prefixes, but with the body's if the files lack it."""
    plain = {name: _WRAPPERS.sub("", name) for name in found}
    front = _prefix([name for place, name in plain.items() if not _is_constant(found[place])], shapes)
    named: dict[str, Tensor] = {}
    for name, place in found.items():
        short = plain[name].removeprefix(front)
        own = f"{base}.{short}" if short not in shapes and f"{base}.{short}" in shapes else short
        if own in named:
            raise ArtifactError(place.file, f"tensors {name!r} and {named[own].name!r}", "every tensor once")
        named[own] = place
    return named


def _prefix(names: list[str], shapes: Collection[str]) -> str:
    """Return the prefix, such as "module.", that all names have before the model's names; empty if there is none."""
    parts = min(names, default="").split(".")
    for i in range(1, len(parts)):
        front = ".".join(parts[:i]) + "."
        if all(name.startswith(front) for name in names) and any(name.removeprefix(front) in shapes for name in names):
            return "" if any(name in shapes for name in names) else front
    return ""


def _is_constant(place: Tensor) -> bool:
    """Whether a tensor that a model doesn't have is a constant that it computes."""
    found = _CONSTANTS.search(place.name)
    return bool(found) and (not place.name.endswith(".bias") or place.shape()[:2] == (1, 1))


def _widest(tensors: Mapping[str, Tensor]) -> torch.dtype:
    kinds = {_KINDS[kind] for place in tensors.values() if (kind := place.kind()) in _KINDS}
    return reduce(torch.promote_types, kinds) if kinds else torch.bfloat16


def _each(digest_of: Callable[[str], str], names: Iterable[str]) -> dict[str, str]:
    """Return `digest_of` each name, on as many threads as torch uses; raise the first error in the names' order."""
    named = list(names)
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        return dict(zip(named, threads.map(digest_of, named), strict=True))
