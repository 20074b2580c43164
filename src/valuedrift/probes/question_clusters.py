"""Cluster questions with HDBSCAN (appendix A.1), and assign noise to the most likely cluster by soft membership."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.config.probe_sets import ClusterSettings
from valuedrift.digests import text_digest
from valuedrift.errors import ConfigError
from valuedrift.files import write_parquet
from valuedrift.models.sentence_encoder import FloatMatrix

NOISE = -1


@dataclass(frozen=True)
class Assignment:
    """The clusters of questions, (questions,); clusters are numbered from 0, the largest first.

    Attributes:
        cluster: HDBSCAN's own cluster, or NOISE.
        soft_cluster: The same, but a noise question is in its most likely cluster if its membership there is large
            enough.
        probability: Soft membership in `soft_cluster`; for a question that remains noise, its largest membership.
    """

    cluster: NDArray[np.int64]
    soft_cluster: NDArray[np.int64]
    probability: NDArray[np.float64]


def assign(reduced: FloatMatrix, settings: ClusterSettings) -> Assignment:
    """Cluster reduced vectors (questions, dimensions); raises ConfigError for fewer than two clusters."""
    from hdbscan import HDBSCAN, all_points_membership_vectors

    if len(reduced) <= max(settings.min_cluster_size, settings.min_samples):
        raise _too_few(settings, 0, len(reduced))
    fitted = HDBSCAN(
        min_cluster_size=settings.min_cluster_size,
        min_samples=settings.min_samples,
        prediction_data=True,
        core_dist_n_jobs=1,
    ).fit(reduced.astype(np.float64))
    labels = fitted.labels_
    if labels.max() < 1:
        raise _too_few(settings, labels.max() + 1, len(reduced))
    # The membership of a question that belongs to no cluster is 0/0.
    membership = np.nan_to_num(all_points_membership_vectors(fitted))
    by_size = np.argsort(-np.bincount(labels[labels != NOISE]), kind="stable")
    return soften(_renumber(labels, by_size), membership[:, by_size], settings.min_membership)


def soften(cluster: NDArray[np.int64], membership: NDArray[np.float64], least: float) -> Assignment:
    """Make the assignment from hard clusters (questions,) and soft membership (questions, clusters).

    A noise question joins its most likely cluster if its membership there is at least `least`.
    """
    rows = np.arange(len(cluster))
    likeliest = membership.argmax(axis=1)
    noise = cluster == NOISE
    joins = noise & (membership[rows, likeliest] >= least)
    probability = membership[rows, np.where(noise, likeliest, cluster)]
    return Assignment(cluster, np.where(joins, likeliest, cluster), probability)


def write_clusters(questions: Path, reduced: Path, settings: ClusterSettings, out: Path) -> None:
    """Cluster questions and write `id, prompt, question, cluster, soft_cluster, probability` to `out` (.parquet)."""
    table = pl.read_parquet(questions)
    assigned = assign(np.load(reduced, allow_pickle=False), settings)
    write_parquet(out, table.with_columns(**{name: pl.Series(values) for name, values in vars(assigned).items()}))
    noise, left = int((assigned.cluster == NOISE).sum()), int((assigned.soft_cluster == NOISE).sum())
    found = f"{assigned.cluster.max() + 1} clusters, {noise} of {table.height} questions noise, {left} after softening"
    print(found, file=sys.stderr)


def clustering_hash(clustered: pl.DataFrame) -> str:
    """Return 16 hex characters that identify each prompt's hard and soft cluster; the order of rows doesn't matter."""
    rows = clustered.select("id", "cluster", "soft_cluster").sort("id").rows()
    return text_digest(json.dumps(rows, ensure_ascii=False))[:16]


def _renumber(labels: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return `labels` with cluster order[i] renamed to i; noise remains noise."""
    numbers = np.append(np.argsort(order), NOISE)  # label -1 picks the last element
    return np.asarray(numbers[labels], dtype=np.int64)


def _too_few(settings: ClusterSettings, clusters: int, questions: int) -> ConfigError:
    found = f"{settings.min_cluster_size}, which makes {clusters} clusters of {questions} questions"
    return ConfigError("min_cluster_size", found, "at least two clusters", "Lower it, or min_samples.")
