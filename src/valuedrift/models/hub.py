"""Download models from the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import snapshot_download

from valuedrift.errors import ArtifactError
from valuedrift.models.weights import in_one_line

_FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]
_OTHERS = ["original/*", "onnx/*", "openvino/*", "consolidated*"]  # the same weights, for other programs


def from_hub(name: str, revision: str | None) -> Path:
    """Return the local folder of a model on the hub, downloaded if it isn't there."""
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=_FILES, ignore_patterns=_OTHERS))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{name}" + (f" at {revision}" if revision else ""),
            in_one_line(error),
            "a model on the hub",
            "Check the name, your access to it (HF_TOKEN for gated models) and the network, or use `folder:`.",
        ) from error
