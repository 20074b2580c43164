"""Describe each cluster with its n-grams by class-based TF-IDF (appendix A.1) and its most central questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.files import read_json, write_json
from valuedrift.models.embedding_store import read_embeddings
from valuedrift.models.sentence_encoder import FloatMatrix
from valuedrift.probes.question_clusters import NOISE, clustering_hash

TERMS = 10
EXAMPLES = 8


@dataclass(frozen=True)
class Description:
    """The description of one cluster.

    Attributes:
        cluster: Its number.
        size: Number of its questions by soft assignment.
        core: Number of its questions by hard assignment.
        terms: N-grams that distinguish it from other clusters, strongest first.
        examples: Questions nearest to its centre, nearest first.
    """

    cluster: int
    size: int
    core: int
    terms: list[str]
    examples: list[str]


def class_tf_idf(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return class-based TF-IDF weights, (classes, terms), from counts of the same shape.

    A weight is tf(t, c) · log(1 + A / f(t)), where tf is the share of term t in class c, f is the count of t in all
    classes, and A is the mean count per class (Grootendorst 2022, BERTopic, arXiv 2203.05794, equation 2).
    """
    totals = counts.sum(axis=1, keepdims=True)
    return np.asarray(counts / np.maximum(totals, 1) * np.log1p(totals.mean() / np.maximum(counts.sum(axis=0), 1)))


def top_terms(questions: Sequence[str], clusters: NDArray[np.int64], count: int = TERMS) -> list[list[str]]:
    """Return the `count` strongest 1- to 3-grams of each cluster 0, 1, …, without stop words, strongest first."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(ngram_range=(1, 3), stop_words="english")
    try:
        # N-grams are counted per question, so that none spans two questions.
        found = vectorizer.fit_transform(questions)
    except ValueError:  # all words are stop words
        return [[] for _ in range(clusters.max() + 1)]
    counts = np.stack([np.asarray(found[clusters == each].sum(axis=0))[0] for each in range(clusters.max() + 1)])
    weights, names = class_tf_idf(counts.astype(np.float64)), vectorizer.get_feature_names_out()
    best = np.argsort(-weights, axis=1, kind="stable")[:, :count]
    return [[str(names[term]) for term in row if weights[each, term] > 0] for each, row in enumerate(best)]


def centres(vectors: FloatMatrix, clusters: NDArray[np.int64]) -> FloatMatrix:
    """Return the mean vector of each cluster 0, 1, …, scaled to unit length: (clusters, dimensions)."""
    means = np.stack([vectors[clusters == cluster].mean(axis=0) for cluster in range(clusters.max() + 1)])
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True), dtype=np.float32)


def describe(clustered: pl.DataFrame, vectors: FloatMatrix) -> list[Description]:
    """Describe each cluster by soft assignment; `vectors` are the embeddings of the questions, in the same order."""
    soft, hard = clustered["soft_cluster"].to_numpy(), clustered["cluster"].to_numpy()
    middle = centres(vectors, soft)
    members = [np.flatnonzero(soft == cluster) for cluster in range(len(middle))]
    terms = top_terms(clustered["question"].to_list(), soft)
    descriptions = []
    for cluster, rows in enumerate(members):
        nearest = rows[np.argsort(-(vectors[rows] @ middle[cluster]), kind="stable")[:EXAMPLES]]
        examples = clustered["question"].gather(nearest).to_list()
        core = int((hard == cluster).sum())
        descriptions.append(Description(cluster, len(rows), core, terms[cluster], examples))
    return descriptions


def write_descriptions(clustered: Path, embeddings: Path, model: str, out: Path) -> None:
    """Write the descriptions to `out` (.json), with the hash of the clustering and the number of noise questions."""
    table = pl.read_parquet(clustered)
    vectors = read_embeddings(embeddings, table["question"], model)
    noise = {name: int((table[name] == NOISE).sum()) for name in ("cluster", "soft_cluster")}
    described: list[dict[str, Any]] = [asdict(each) for each in describe(table, vectors)]
    write_json(out, {"clustering": clustering_hash(table), "noise": noise, "clusters": described})


def read_descriptions(path: Path) -> tuple[str, list[Description]]:
    """Read the hash of the clustering and the description of each cluster from a file of `write_descriptions`."""
    content = read_json(path)
    return content["clustering"], [Description(**each) for each in content["clusters"]]
