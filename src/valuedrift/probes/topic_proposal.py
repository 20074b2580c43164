"""Propose a topic for each cluster, with evidence; a person makes the decision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from valuedrift.config.schema import Topic
from valuedrift.errors import ArtifactError
from valuedrift.files import write_text
from valuedrift.models.embedding_store import read_embeddings
from valuedrift.models.sentence_encoder import FloatMatrix, embed
from valuedrift.probes.describe_clusters import centres, read_descriptions, read_names
from valuedrift.probes.question_clusters import clustering_hash
from valuedrift.probes.questions import keyword_pattern

_HEAD = """\
# Which clusters are about which topic. This is a proposal, made from the evidence below; a person decides.
# 1. Copy it to the file that the configuration names.
# 2. Under 'topics', give each topic the numbers of its clusters. What is under 'evidence' is not read.
# 3. Say under 'reviewed' who has checked it, for example: reviewed: Ada, 1 May
# The choice is valid only for this clustering: if the clusters change, it has to be made again.
"""

EVIDENCE = 0.6
"""Smallest sum of similarity and keyword share for which a topic is proposed, so that only clear cases are."""


def propose(similarity: FloatMatrix, keywords: FloatMatrix) -> list[int | None]:
    """Return, per cluster, the topic (column) with the largest sum of both arguments; None if it is below EVIDENCE.

    Args:
        similarity: Cosine of the cluster's centre and the topic's text, (clusters, topics).
        keywords: Share of the cluster's questions with a keyword of the topic, (clusters, topics).
    """
    evidence = similarity + keywords
    return [
        int(topic) if row[topic] >= EVIDENCE else None for row, topic in zip(evidence, evidence.argmax(1), strict=True)
    ]


def keyword_shares(clustered: pl.DataFrame, topics: Mapping[str, Topic]) -> FloatMatrix:
    """Return the share of each soft cluster's questions with a keyword of each topic, (clusters, topics)."""
    patterns = [keyword_pattern(key, topic.keywords) for key, topic in topics.items()]
    matches = np.array([[bool(pattern.search(text)) for pattern in patterns] for text in clustered["question"]])
    soft = clustered["soft_cluster"].to_numpy()
    return np.stack([matches[soft == each].mean(axis=0) for each in range(soft.max() + 1)]).astype(np.float32)


def write_proposal(
    clustered: Path,
    embeddings: Path,
    model: str,
    descriptions: Path,
    names: Path,
    topics: Mapping[str, Topic],
    out: Path,
) -> None:
    """Write the proposal (.yaml): the hash of the clustering, the clusters of each topic, and evidence per cluster."""
    table = pl.read_parquet(clustered)
    clustering = clustering_hash(table)
    found, described = read_descriptions(descriptions)
    if found != clustering:
        raise ArtifactError(descriptions, f"clustering {found}", clustering, "Describe the clusters again.")
    middle = centres(read_embeddings(embeddings, table["question"], model), table["soft_cluster"].to_numpy())
    texts = [f"{topic.name}. {topic.target}. {topic.value}" for topic in topics.values()]
    similarity = middle @ embed(texts, model).T
    shares = keyword_shares(table, topics)
    proposed = propose(similarity, shares)
    keys, called = list(topics), read_names(names, clustering)
    chosen = {
        key: [cluster for cluster, topic in enumerate(proposed) if topic == column] for column, key in enumerate(keys)
    }
    evidence = []
    for each in described:
        similar, share = similarity[each.cluster], shares[each.cluster]
        order = np.argsort(-(similar + share), kind="stable")[:3]
        evidence.append(
            {
                "cluster": each.cluster,
                "name": called[each.cluster],
                "questions": each.size,
                "nearest_topics": [
                    f"{keys[t]}: similarity {similar[t]:.2f}, {share[t]:.0%} with a keyword" for t in order
                ],
                "terms": ", ".join(each.terms),
                "examples": each.examples,
            }
        )
    content = {"clustering": clustering, "reviewed": "", "topics": chosen, "evidence": evidence}
    # Sections differ in style: cluster numbers are on the line of their topic, and each text is on a separate line.
    sections = [
        yaml.safe_dump(
            {key: value},
            sort_keys=False,
            allow_unicode=True,
            width=10**6,
            default_flow_style=None if key == "topics" else False,
        )
        for key, value in content.items()
    ]
    write_text(out, "\n".join([_HEAD, *sections]))
