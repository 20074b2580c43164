"""Which cluster is about which topic: a proposal with its evidence, and the choice that a person makes of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from valuedrift.errors import ArtifactError
from valuedrift.files import write_text
from valuedrift.models.embedding_store import read_embeddings
from valuedrift.models.sentence_encoder import FloatMatrix, embed
from valuedrift.probes.cluster_names import read_names
from valuedrift.probes.question_clusters import clustering_hash, read_clusters
from valuedrift.probes.questions import keyword_pattern
from valuedrift.probes.terms import Description, centres, read_descriptions

_HEAD = """\
# Which clusters are about which topic. This proposal is made from the evidence below; a person decides.
# 1. Copy it to the file that the configuration names.
# 2. Under 'topics', give each topic the numbers of its clusters; what is under 'evidence' is not read back.
# 3. Say under 'reviewed' who has checked it, for example: reviewed: Ada, 1 May
# The choice holds for this clustering alone: if the clusters change, it has to be made anew.
"""


EVIDENCE = 0.6
"""What similarity and keyword share must add up to for a topic to be proposed: clear cases only, a person decides."""


@dataclass(frozen=True)
class Topic:
    """A category of the probe set as the configuration has it."""

    name: str
    target: str
    value: str
    keywords: Sequence[str]

    def text(self) -> str:
        return f"{self.name}. {self.target}. {self.value}"


def propose(similarity: FloatMatrix, keywords: FloatMatrix) -> list[int | None]:
    """Of each cluster the topic (its column) with the largest sum of both, None where that is less than EVIDENCE.

    Both are (clusters, topics). similarity: cosine of the cluster's centre and the topic's text
    keywords: the share of the cluster's questions with a keyword of the topic
    """
    evidence = similarity + keywords
    return [
        int(topic) if row[topic] >= EVIDENCE else None for row, topic in zip(evidence, evidence.argmax(1), strict=True)
    ]


def keyword_shares(clustered: pl.DataFrame, topics: Mapping[str, Topic]) -> FloatMatrix:
    """The share of each cluster's questions, by soft assignment, with a keyword of each topic: (clusters, topics)."""
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
    """Write the proposal (.yaml): the clustering's hash, clusters by topic, and each cluster's evidence."""
    table = read_clusters(clustered)
    clustering = clustering_hash(table)
    found, described = read_descriptions(descriptions)
    if found != clustering:
        raise ArtifactError(descriptions, f"clustering {found}", clustering, "Describe the clusters again.")
    middle = centres(read_embeddings(embeddings, table["question"], model), table["soft_cluster"].to_numpy())
    similarity = middle @ embed([topic.text() for topic in topics.values()], model).T
    shares = keyword_shares(table, topics)
    proposed = propose(similarity, shares)
    keys, called = list(topics), read_names(names, clustering)
    evidence = [
        _evidence(each, called[each.cluster], keys, similarity[each.cluster], shares[each.cluster])
        for each in described
    ]
    chosen = {
        key: [place for place, topic in enumerate(proposed) if topic == column] for column, key in enumerate(keys)
    }
    content = {"clustering": clustering, "reviewed": "", "topics": chosen, "evidence": evidence}
    # Each section by itself, so that the numbers of a topic's clusters stand on its line and texts on theirs.
    sections = [_dump({key: value}, flow=None if key == "topics" else False) for key, value in content.items()]
    write_text(out, "\n".join([_HEAD, *sections]))


def read_choice(file: Path, clustering: str, clusters: Collection[int], topics: Collection[str]) -> dict[int, str]:
    """Topic by cluster, as a person chose it.

    Raises ArtifactError where nobody has reviewed the file, it was made for another clustering, it names a topic or
    cluster that there isn't, a cluster has two topics, or a topic has none.
    """
    content = _load(file)
    if content.get("clustering") != clustering:
        do = "The clusters have changed: make results/vprism/SUITE/topics.yaml again, and choose anew from it."
        raise ArtifactError(file, f"a choice for clustering {content.get('clustering')}", f"one for {clustering}", do)
    if not str(content.get("reviewed") or "").strip():
        do = "Check which clusters each topic has, then say under 'reviewed' who did."
        raise ArtifactError(file, "nothing under 'reviewed'", "the name of the person who has checked it", do)
    chosen = content.get("topics")
    if not isinstance(chosen, dict) or not all(isinstance(each, list) for each in chosen.values()):
        raise ArtifactError(file, chosen, "a list of cluster numbers for each topic under 'topics'")
    _check_topics(file, chosen, topics)
    return _by_cluster(file, chosen, clusters)


def _evidence(
    described: Description, name: str, keys: Sequence[str], similarity: FloatMatrix, shares: FloatMatrix
) -> dict[str, Any]:
    order = np.argsort(-(similarity + shares), kind="stable")[:3]
    nearest = [f"{keys[each]}: similarity {similarity[each]:.2f}, {shares[each]:.0%} with a keyword" for each in order]
    return {
        "cluster": described.cluster,
        "name": name,
        "questions": described.size,
        "nearest_topics": nearest,
        "terms": ", ".join(described.terms),
        "examples": list(described.examples),
    }


def _dump(value: Mapping[str, Any], flow: bool | None) -> str:
    return yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True, width=10**6, default_flow_style=flow)


class _Loader(yaml.SafeLoader):
    """Refuses a key that comes twice, of which YAML would drop the first in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for place, key in enumerate(keys) if key in keys[:place]]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice[0]} twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _load(file: Path) -> dict[str, Any]:
    if not file.is_file():
        do = "Copy the proposal there, edit it, and say under 'reviewed' who has checked it."
        raise ArtifactError(file, "no such file", "a reviewed choice of topics", do)
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(file, str(error), "YAML as in the proposal", "Correct it there.") from None
    if not isinstance(content, dict):
        raise ArtifactError(file, content, "YAML as in the proposal: 'clustering', 'reviewed' and 'topics'")
    return content


def _check_topics(file: Path, chosen: Mapping[Any, Any], topics: Collection[str]) -> None:
    unknown = [topic for topic in chosen if topic not in topics]
    if unknown:
        raise ArtifactError(file, f"the topic {unknown[0]!r}", f"one of {', '.join(topics)}", "Correct its name.")
    empty = [topic for topic in topics if not chosen.get(topic)]
    if empty:
        do = "Give it a cluster, or take the topic out of the configuration."
        raise ArtifactError(file, f"no cluster for {', '.join(empty)}", "one at least for every topic", do)


def _by_cluster(file: Path, chosen: Mapping[str, list[Any]], clusters: Collection[int]) -> dict[int, str]:
    topic_of: dict[int, str] = {}
    for topic, numbers in chosen.items():
        for number in numbers:
            if type(number) is not int or number not in clusters:
                expected = f"numbers from {min(clusters)} to {max(clusters)}"
                raise ArtifactError(file, f"cluster {number!r} under '{topic}'", expected, "Correct the number.")
            if number in topic_of:
                found = f"cluster {number} under '{topic_of[number]}' and '{topic}'"
                raise ArtifactError(file, found, "each cluster once", "Take it away from one of them.")
            topic_of[number] = topic
    return topic_of
