"""Questions to clusters with HDBSCAN (appendix A.1), and noise to its likeliest cluster by soft membership."""

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
from valuedrift.errors import ArtifactError, ConfigError
from valuedrift.files import write_parquet
from valuedrift.models.sentence_encoder import FloatMatrix
from valuedrift.probes.rephrase import read_questions

NOISE = -1
COLUMNS = ("id", "prompt", "question", "cluster", "soft_cluster", "probability")


@dataclass(frozen=True)
class Assignment:
    """Per question, in the order of the vectors; clusters are numbered from 0, the largest first.

    cluster: HDBSCAN's own, NOISE for none · soft_cluster: the same, but noise is in its likeliest cluster where its
    membership there is large enough · probability: the soft membership of the question in soft_cluster; of a question
    that stays noise, its largest
    """

    cluster: NDArray[np.int64]
    soft_cluster: NDArray[np.int64]
    probability: NDArray[np.float64]


def assign(reduced: FloatMatrix, settings: ClusterSettings) -> Assignment:
    """Cluster reduced vectors (questions, dimensions). Raises ConfigError where fewer than two clusters are found."""
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
    # A question with no membership anywhere has 0/0 there.
    membership = np.nan_to_num(all_points_membership_vectors(fitted))
    by_size = np.argsort(-np.bincount(labels[labels != NOISE]), kind="stable")
    return soften(_renumber(labels, by_size), membership[:, by_size], settings.min_membership)


def soften(cluster: NDArray[np.int64], membership: NDArray[np.float64], least: float) -> Assignment:
    """The assignment of hard clusters (questions,) and soft membership (questions, clusters); see Assignment."""
    rows = np.arange(len(cluster))
    likeliest = membership.argmax(axis=1)
    noise = cluster == NOISE
    joins = noise & (membership[rows, likeliest] >= least)
    probability = membership[rows, np.where(noise, likeliest, cluster)]
    return Assignment(cluster, np.where(joins, likeliest, cluster), probability)


def write_clusters(questions: Path, reduced: Path, settings: ClusterSettings, out: Path) -> None:
    """Cluster the questions into `out` (.parquet): id, prompt, question, cluster, soft_cluster, probability."""
    table = read_questions(questions)
    vectors = np.load(reduced, allow_pickle=False)
    if vectors.ndim != 2 or len(vectors) != table.height:
        expected = f"one row for each of the {table.height} questions"
        raise ArtifactError(reduced, f"shape {vectors.shape}", expected, "Reduce the embeddings again.")
    assigned = assign(vectors, settings)
    columns = {name: getattr(assigned, name) for name in COLUMNS[3:]}
    write_parquet(out, table.with_columns(**{name: pl.Series(values) for name, values in columns.items()}))
    noise, left = int((assigned.cluster == NOISE).sum()), int((assigned.soft_cluster == NOISE).sum())
    found = f"{assigned.cluster.max() + 1} clusters, {noise} of {table.height} questions noise, {left} after softening"
    print(found, file=sys.stderr)


def read_clusters(path: Path) -> pl.DataFrame:
    """The table that `write_clusters` wrote. Raises ArtifactError for another."""
    table = pl.read_parquet(path)
    if tuple(table.columns) != COLUMNS or table.is_empty():
        raise ArtifactError(path, f"the columns {', '.join(table.columns)}", ", ".join(COLUMNS), "Cluster again.")
    return table


def clustering_hash(clustered: pl.DataFrame) -> str:
    """16 hex characters that stand for which prompt is in which cluster, hard and soft, in whatever order."""
    rows = clustered.select("id", "cluster", "soft_cluster").sort("id").rows()
    return text_digest(json.dumps(rows, ensure_ascii=False))[:16]


def _renumber(labels: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """`labels` with cluster order[i] called i; noise stays noise."""
    places = np.append(np.argsort(order), NOISE)  # its last place is what -1 picks
    return np.asarray(places[labels], dtype=np.int64)


def _too_few(settings: ClusterSettings, clusters: int, questions: int) -> ConfigError:
    found = f"{settings.min_cluster_size}, which makes {clusters} clusters of {questions} questions"
    return ConfigError("min_cluster_size", found, "at least two clusters", "Lower it, or min_samples.")
