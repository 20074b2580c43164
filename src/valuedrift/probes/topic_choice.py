"""Read the topic of each cluster, as chosen by a person from the proposal."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from valuedrift.config.yaml_files import read_yaml
from valuedrift.errors import ArtifactError


def read_choice(file: Path, clustering: str, clusters: Collection[int], topics: Collection[str]) -> dict[int, str]:
    """Read cluster → topic, as chosen by a person.

    Raises:
        ArtifactError: The file is missing or malformed, nobody has reviewed it, it belongs to another clustering, a
            topic or cluster is unknown, a cluster is listed twice, or a topic has no cluster.
    """
    if not file.is_file():
        do = "Copy the proposal there, edit it, and say under 'reviewed' who has checked it."
        raise ArtifactError(file, "no such file", "a reviewed choice of topics", do)
    content = read_yaml(file)
    if content.get("clustering") != clustering:
        do = "The clusters have changed: make results/vprism/SUITE/topics.yaml again, and choose again from it."
        raise ArtifactError(file, f"a choice for clustering {content.get('clustering')}", f"one for {clustering}", do)
    if not str(content.get("reviewed") or "").strip():
        do = "Check which clusters each topic has, then say under 'reviewed' who did."
        raise ArtifactError(file, "nothing under 'reviewed'", "the name of the person who has checked it", do)
    chosen = content.get("topics")
    if not isinstance(chosen, dict) or not all(isinstance(each, list) for each in chosen.values()):
        raise ArtifactError(file, chosen, "a list of cluster numbers for each topic under 'topics'")
    _check_topics(file, chosen, topics)
    return _by_cluster(file, chosen, clusters)


def _check_topics(file: Path, chosen: Mapping[Any, Any], topics: Collection[str]) -> None:
    unknown = [topic for topic in chosen if topic not in topics]
    if unknown:
        raise ArtifactError(file, f"the topic {unknown[0]!r}", f"one of {', '.join(topics)}", "Correct its name.")
    empty = [topic for topic in topics if not chosen.get(topic)]
    if empty:
        do = "Give it a cluster, or take the topic out of the configuration."
        raise ArtifactError(file, f"no cluster for {', '.join(empty)}", "at least one for every topic", do)


def _by_cluster(file: Path, chosen: Mapping[str, list[Any]], clusters: Collection[int]) -> dict[int, str]:
    topic_of: dict[int, str] = {}
    for topic, numbers in chosen.items():
        for number in numbers:
            if type(number) is not int or number not in clusters:
                expected = f"numbers from {min(clusters)} to {max(clusters)}"
                raise ArtifactError(file, f"cluster {number!r} under '{topic}'", expected, "Correct the number.")
            if number in topic_of:
                found = f"cluster {number} under '{topic_of[number]}' and '{topic}'"
                raise ArtifactError(file, found, "each cluster once", "Remove it from one of them.")
            topic_of[number] = topic
    return topic_of
