"""The architecture of a model in a folder: its configuration, and the names and shapes of its tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from valuedrift.errors import ArtifactError, in_one_line
from valuedrift.models.model_folder import require_model

# Settings that may differ between checkpoints of the same model.
_INCIDENTAL = {"_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache"} | {
    f"{kind}_token_id" for kind in ("bos", "eos", "pad")
}
_MOST_LAYERS = 10_000

COPIED = "Copy or fetch the model again; if its source is like this too, use another model or revision."


@dataclass(frozen=True)
class Architecture:
    """What all checkpoints of a model have in common: configuration and tensor shapes.

    Attributes:
        kind: the model's class.
        shapes: tensor name, as in files → shape.
        tied: the name of each tied tensor → the tensor whose values it shares; files may leave it out.
        changed: settings in place of those in config.json.
    """

    folder: Path
    kind: type[PreTrainedModel]
    config: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    tied: dict[str, str]
    changed: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, auto: Any = AutoModelForCausalLM, **changed: Any) -> Architecture:
        """Return the architecture of the model in a folder.

        Args:
            folder: a model's folder.
            auto: the kind of model that is wanted, a class such as AutoModelForCausalLM.
            changed: settings in place of those in config.json.

        Raises:
            ArtifactError: there is no such model.
        """
        require_model(folder)
        config = model_config(folder, **changed)
        try:
            with torch.device("meta"):
                model = auto.from_config(config)
        except Exception as error:  # the file may hold anything, and each architecture fails at it in its own way
            raise _unusable_config(folder, error) from error
        shapes = {name: tuple(tensor.shape) for name, tensor in file_tensors(model).items()}
        return cls(folder, type(model), config.to_dict(), shapes, dict(model.all_tied_weights_keys or {}), changed)

    def require_same(self, folder: Path) -> None:
        """Raise ArtifactError if a folder's configuration describes another model."""
        found = model_config(folder).to_dict()
        for key in sorted((self.config.keys() | found.keys()) - _INCIDENTAL):
            if self.config.get(key) != found.get(key):
                wanted = f"{key} = {self.config.get(key)!r}, as in {self.folder}"
                raise ArtifactError(folder / "config.json", f"{key} = {found.get(key)!r}", wanted)


def file_tensors(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Return a model's tensors under the names that files have; some models join or rename them in memory."""
    tensors: dict[str, torch.Tensor] = revert_weight_conversion(model, model.state_dict())
    return tensors


def model_config(folder: Path, **changed: Any) -> Any:
    """Return the configuration in a folder; raise ArtifactError if there is no usable one."""
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, **changed)
        if not 0 < int(config.get_text_config().num_hidden_layers) <= _MOST_LAYERS:
            raise ValueError(f"num_hidden_layers = {config.get_text_config().num_hidden_layers}")
    except Exception as error:  # as above
        raise _unusable_config(folder, error) from error
    return config


def _unusable_config(folder: Path, error: Exception) -> ArtifactError:
    return ArtifactError(
        folder / "config.json", in_one_line(error), "the configuration of a model that transformers knows", COPIED
    )
