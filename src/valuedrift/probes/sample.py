"""The probe set V-PRISM: as many value-laden questions of each topic, drawn by seed (appendix A.1: 50 a topic)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from valuedrift.errors import ArtifactError
from valuedrift.probes.questions import ProbeSet, choose, probe_set, write_probes


def sample(value_laden: pl.DataFrame, topics: Sequence[str], per_topic: int, seed: int) -> ProbeSet:
    """`per_topic` questions of every topic, in the topics' order, by `seed` and the questions' texts alone.

    Raises ArtifactError where a topic has fewer.
    """
    found = {topic: value_laden.filter(topic=topic)["question"].to_list() for topic in topics}
    short = [f"{topic} ({len(questions)})" for topic, questions in found.items() if len(questions) < per_topic]
    if short:
        do = "Choose more clusters for these topics, or ask for fewer questions a topic."
        raise ArtifactError("value-laden questions", f"too few for {', '.join(short)}", f"{per_topic} a topic", do)
    chosen = [(topic, text) for topic in topics for text in choose(topic, found[topic], per_topic, seed)]
    return probe_set(chosen, {"value_laden": {topic: len(found[topic]) for topic in topics}, "seed": seed})


def write_sample(value_laden: Path, topics: Sequence[str], per_topic: int, seed: int, out: Path) -> None:
    """Write the probe set to `out` (.parquet: question_id, topic, question), and counts beside it (.json)."""
    write_probes(sample(pl.read_parquet(value_laden), topics, per_topic, seed), out)
