"""Describe and name each cluster: n-grams by class-based TF-IDF, central questions, a name (appendix A.1)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.config.chat_models import LlmSettings
from valuedrift.errors import ArtifactError
from valuedrift.files import read_json, write_json
from valuedrift.models.embedding_store import read_embeddings
from valuedrift.models.sentence_encoder import FloatMatrix
from valuedrift.probes.asking import Unusable, ask_each, read_question_prompt, unusable, write_counts
from valuedrift.probes.question_clusters import NOISE, clustering_hash
from valuedrift.templates import fill_template

_TERMS = 10
EXAMPLES = 8

# Of names:
_MAX_TOKENS = 60
_LONGEST = 60  # characters
_NAMING_TERMS = 3


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


def top_terms(questions: Sequence[str], clusters: NDArray[np.int64]) -> list[list[str]]:
    """Return the ten strongest 1- to 3-grams of each cluster 0, 1, …, without stop words, strongest first."""
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(ngram_range=(1, 3), stop_words="english")
    try:
        # N-grams are counted per question, so that none spans two questions.
        found = vectorizer.fit_transform(questions)
    except ValueError:  # all words are stop words
        return [[] for _ in range(clusters.max() + 1)]
    counts = np.stack([np.asarray(found[clusters == each].sum(axis=0))[0] for each in range(clusters.max() + 1)])
    weights, names = class_tf_idf(counts.astype(np.float64)), vectorizer.get_feature_names_out()
    best = np.argsort(-weights, axis=1, kind="stable")[:, :_TERMS]
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


def write_names(descriptions: Path, llm: LlmSettings, journal: Path, out: Path) -> None:
    """Ask a chat model for a name for each cluster, and write the names to `out` (.json).

    The names are only a help for the person who chooses topics. If a reply is unusable, the cluster is named by its
    strongest terms, and the reply is counted and listed.

    Raises:
        ArtifactError: More than `asking.MOST_UNUSABLE` of the replies are unusable.
        ValueDriftError: As `valuedrift.llm.complete.complete` does.
    """
    clustering, described = read_descriptions(descriptions)
    template = read_question_prompt("name")
    texts = [
        fill_template(template, terms="\n".join(each.terms), examples="\n".join(each.examples)) for each in described
    ]
    replies = ask_each(texts, _MAX_TOKENS, _read_name, llm, journal)
    names = {
        str(each.cluster): name_by_terms(each) if isinstance(reply, Unusable) else reply
        for each, reply in zip(described, replies, strict=True)
    }
    write_counts(out, dict(zip(names, replies, strict=True)), {"clustering": clustering, "names": names})


def write_names_by_terms(descriptions: Path, out: Path) -> None:
    """Write names by strongest terms in the format of `write_names`, without a chat model."""
    clustering, described = read_descriptions(descriptions)
    write_json(out, {"clustering": clustering, "names": {str(each.cluster): name_by_terms(each) for each in described}})


def read_names(path: Path, clustering: str) -> dict[int, str]:
    """Read cluster → name; raises ArtifactError if the names belong to another clustering."""
    content = read_json(path)
    if content["clustering"] != clustering:
        raise ArtifactError(path, f"clustering {content['clustering']}", clustering, "Name the clusters again.")
    return {int(cluster): name for cluster, name in content["names"].items()}


def name_by_terms(description: Description) -> str:
    """Return the cluster's three strongest terms as its name."""
    return " · ".join(description.terms[:_NAMING_TERMS]) or f"cluster {description.cluster}"


def _read_name(reply: str) -> str | Unusable:
    """Return the name in a reply, which must be exactly {"name": text} with one short line of text."""
    try:
        content = json.loads(reply)
    except (ValueError, RecursionError):
        return unusable("not JSON", reply)
    name = content.get("name") if isinstance(content, dict) and len(content) == 1 else None
    if not isinstance(name, str) or not name.strip():
        return unusable("not an object with a name", reply)
    # JSON's escapes can encode characters that a name can't have: line ends, controls, lone surrogates
    return name.strip() if name.isprintable() and len(name) <= _LONGEST else unusable("not one short line", reply)
