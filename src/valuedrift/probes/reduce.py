"""Reduce embeddings with UMAP (appendix A.1) from exact nearest neighbours; the same seed gives the same bytes."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.config.probe_sets import ReductionSettings
from valuedrift.errors import ConfigError
from valuedrift.files import publish
from valuedrift.models.embedding_store import read_embeddings
from valuedrift.models.sentence_encoder import FloatMatrix

_BLOCK = 1024


def nearest(vectors: FloatMatrix, count: int) -> tuple[NDArray[np.int32], FloatMatrix]:
    """Find the `count` nearest neighbours of each unit vector by cosine; the first one is the vector itself.

    The search is exact: it computes all products in blocks of rows. For some thousand vectors this is faster than
    UMAP's approximate search.

    Returns:
        The neighbours' indices and their distances 1 − cosine, (vectors, count) each.
    """
    indices = np.empty((len(vectors), count), dtype=np.int32)
    distances = np.empty((len(vectors), count), dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK):
        block = 1 - vectors[start : start + _BLOCK] @ vectors.T
        rows = np.arange(len(block))
        # UMAP expects the vector itself first, but by a rounding error a duplicate may be nearer.
        block[rows, start + rows] = -np.inf
        found = np.argpartition(block, count - 1, axis=1)[:, :count]
        found = np.take_along_axis(found, np.argsort(np.take_along_axis(block, found, 1), axis=1, kind="stable"), 1)
        indices[start : start + _BLOCK] = found
        distances[start : start + _BLOCK] = np.maximum(np.take_along_axis(block, found, 1), 0)
    return indices, distances


def reduce(vectors: FloatMatrix, settings: ReductionSettings) -> FloatMatrix:
    """Reduce unit vectors with UMAP to (vectors, dimensions), float32.

    It runs on one thread, because UMAP is reproducible only on one thread.

    Raises:
        ConfigError: There are too few vectors for the settings.
    """
    least = max(settings.neighbours, settings.dimensions + 1)
    if len(vectors) <= least:
        raise ConfigError("neighbours and dimensions", least, f"fewer than there are questions ({len(vectors)})")
    from threadpoolctl import threadpool_limits
    from umap import UMAP

    with threadpool_limits(1), warnings.catch_warnings():
        # UMAP warns that it can't place new points without a search index; no new points are placed here.
        warnings.filterwarnings("ignore", message=r"precomputed_knn\[2\]")
        reducer = UMAP(
            n_neighbors=settings.neighbours,
            n_components=settings.dimensions,
            metric="cosine",
            min_dist=settings.min_distance,
            n_epochs=settings.epochs,
            random_state=settings.seed,
            n_jobs=1,
            precomputed_knn=(*nearest(vectors, settings.neighbours), None),
            force_approximation_algorithm=True,  # uses the given neighbours even for small inputs
        )
        return np.asarray(reducer.fit_transform(vectors), dtype=np.float32)


def write_reduced(questions: Path, embeddings: Path, model: str, settings: ReductionSettings, out: Path) -> None:
    """Write the reduced embeddings of the questions to `out` (.npy), in the order of the table."""
    vectors = read_embeddings(embeddings, pl.read_parquet(questions)["question"], model)
    reduced = reduce(vectors, settings)
    with publish(out) as draft, draft.open("wb") as stream:
        np.save(stream, reduced, allow_pickle=False)
