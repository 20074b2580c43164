"""The tensors in a checkpoint's files: checked before they are used, and identified by a digest of their values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from valuedrift.digests import text_digest
from valuedrift.errors import ArtifactError
from valuedrift.models.model_folder import require_model

# Settings that may differ between checkpoints of the same model.
_INCIDENTAL = {"_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache"} | {
    f"{kind}_token_id" for kind in ("bos", "eos", "pad")
}


@dataclass(frozen=True)
class Architecture:
    """What all checkpoints of a model have in common: configuration and tensor shapes.

    Attributes:
        tied: the name of each tied tensor → the tensor whose values it shares; files may leave it out.
    """

    folder: Path
    config: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    tied: dict[str, str]

    @classmethod
    def of(cls, folder: Path) -> Architecture:
        """Return the architecture of the model in a folder; raise ArtifactError if there is none."""
        require_model(folder)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(_config(folder))
        shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        return cls(folder, _config(folder).to_dict(), shapes, dict(model.all_tied_weights_keys or {}))

    def require_same(self, folder: Path) -> None:
        """Raise ArtifactError if a folder's configuration describes another model."""
        found = _config(folder).to_dict()
        for key in sorted((self.config.keys() | found.keys()) - _INCIDENTAL):
            if self.config.get(key) != found.get(key):
                wanted = f"{key} = {self.config.get(key)!r}, as in {self.folder}"
                raise ArtifactError(folder / "config.json", f"{key} = {found.get(key)!r}", wanted)


@dataclass(frozen=True)
class Checkpoint:
    """A folder's weights, read and checked. Tied tensors, which files may leave out, are included.

    Attributes:
        digests: tensor name → SHA-256 of its values in the engine's precision.
        shapes: tensor name → shape.
    """

    folder: Path
    digests: dict[str, str]
    shapes: dict[str, tuple[int, ...]]

    @property
    def identity(self) -> str:
        """The digest of all weights; it doesn't depend on how they are divided over files."""
        return text_digest(json.dumps(self.digests, sort_keys=True))


def read_checkpoint(folder: Path, architecture: Architecture, dtype: torch.dtype) -> Checkpoint:
    """Read and check a whole checkpoint.

    Raises:
        ArtifactError: a file or tensor can't be read or doesn't fit the architecture; names it.
    """
    require_model(folder)
    architecture.require_same(folder)
    files = _files(folder)
    for name, file in files.items():
        if name not in architecture.shapes:
            raise ArtifactError(file, f"tensor {name!r}", "tensors of the model's architecture only")
    missing = sorted(architecture.shapes.keys() - files.keys() - architecture.tied.keys())
    if missing:
        wanted = f"all {len(architecture.shapes)} tensors of the model's architecture"
        raise ArtifactError(folder, f"no tensor {missing[0]!r}", wanted)

    def read(name: str) -> str:
        tensor = _tensor(files[name], name)
        if tuple(tensor.shape) != architecture.shapes[name]:
            found = f"{name!r} of shape {tuple(tensor.shape)}"
            raise ArtifactError(files[name], found, f"shape {architecture.shapes[name]}")
        if not torch.isfinite(tensor).all():
            found = f"NaN or infinity in {name!r}"
            raise ArtifactError(files[name], found, "finite weights", "Lower the learning rate.")
        return digest(tensor.to(dtype) if tensor.is_floating_point() else tensor)

    digests = _each(read, sorted(files))
    shared = {name: digests[source] for name, source in architecture.tied.items() if name not in digests}
    return Checkpoint(folder, digests | shared, architecture.shapes)


def load_weights(model: PreTrainedModel, checkpoint: Checkpoint) -> None:
    """Replace every weight of `model` by the checkpoint's, and check the result.

    Raises:
        ArtifactError: the model's values are not those that were read before.
    """
    own = dict(model.state_dict())
    for name, file in _files(checkpoint.folder).items():
        own[name].copy_(_tensor(file, name))
    wrong = differing(_each(lambda name: digest(own[name]), sorted(own)), checkpoint)
    if wrong:
        found = f"other values in {wrong[0]!r} than a moment ago"
        raise ArtifactError(checkpoint.folder, found, "files that nothing writes to", "Run the target again.")


def differing(held: dict[str, str], checkpoint: Checkpoint) -> list[str]:
    """Return the names of tensors whose values in an engine differ, that it doesn't expose, or that only it has."""
    names = sorted(held.keys() | checkpoint.digests.keys())
    return [name for name in names if held.get(name) != checkpoint.digests.get(name)]


def digest(tensor: torch.Tensor) -> str:
    """Return the SHA-256 of a tensor's bytes."""
    data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    return hashlib.sha256(data.data).hexdigest()


def _each(digest_of: Callable[[str], str], names: Iterable[str]) -> dict[str, str]:
    """Return `digest_of` each name, on as many threads as torch uses; raise the first error in the names' order."""
    named = list(names)
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        return dict(zip(named, threads.map(digest_of, named), strict=True))


def _files(folder: Path) -> dict[str, Path]:
    """Return tensor name → its file; raise ArtifactError for a tensor in two files."""
    found: dict[str, Path] = {}
    for file in sorted(folder.glob("*.safetensors")):
        for name in _names(file):
            if name in found:
                raise ArtifactError(file, f"tensor {name!r}, as in {found[name].name}", "every tensor once")
            found[name] = file
    return found


def _names(file: Path) -> Iterator[str]:
    with safe_open(file, framework="pt") as tensors:
        yield from tensors.keys()


def _tensor(file: Path, name: str) -> torch.Tensor:
    with safe_open(file, framework="pt") as tensors:
        tensor: torch.Tensor = tensors.get_tensor(name)
    return tensor


def _config(folder: Path) -> Any:
    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (ValueError, KeyError, TypeError) as error:
        what = (str(error) or type(error).__name__).splitlines()[0]
        raise ArtifactError(folder / "config.json", what, "a causal language model's configuration") from error
