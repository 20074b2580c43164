"""Prompts on the topics (section 6.1): the candidates that are closest to the topics' probe questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.config.synthetic_pairs import RetrievalSettings
from valuedrift.errors import ArtifactError
from valuedrift.files import write_json, write_parquet
from valuedrift.models.sentence_encoder import FloatMatrix
from valuedrift.synthetic.candidate_questions import same_text

_BLOCK = 4096
_QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}


@dataclass(frozen=True)
class Retrieval:
    """The chosen prompts by topic and descending cosine, `prompt_id, topic, source, cosine, prompt`, and the counts."""

    table: pl.DataFrame
    counts: dict[str, Any]


@dataclass(frozen=True)
class Scores:
    """How close each prompt is to the probe questions.

    Attributes:
        topics: Mean cosine with the nearest probe questions of each topic, (prompts, topics).
        closest: Highest cosine with any probe question, (prompts,).
    """

    topics: FloatMatrix
    closest: FloatMatrix


def retrieve(
    prompts: pl.DataFrame,
    vectors: FloatMatrix,
    probes: pl.DataFrame,
    probe_vectors: FloatMatrix,
    settings: RetrievalSettings,
) -> Retrieval:
    """The prompts that are closest to each topic's probe questions, with an equal share for each topic.

    A prompt belongs only to the topic of its highest score. Left out and counted, in this order: prompts that are a
    probe question themselves (by text or by cosine), prompts below the minimum, and near-duplicates of a prompt with a
    higher score. Other topics don't make up for a topic with too few prompts.

    Args:
        prompts: Candidates: `prompt_id, source, prompt`.
        vectors: Their unit vectors, (prompts, dimensions).
        probes: Probe questions: `topic, question`.
        probe_vectors: Their unit vectors, (probes, dimensions).
        settings: Which prompts are taken.

    Raises:
        ArtifactError: The vectors don't match the texts, or no prompt is left.
    """
    _require_vectors("prompts", prompts, vectors, probe_vectors.shape[-1])
    _require_vectors("probes", probes, probe_vectors, probe_vectors.shape[-1])
    topics = probes["topic"].unique(maintain_order=True).to_list()
    scores = score(vectors, probe_vectors, probes["topic"].to_list(), settings.nearest)
    same = prompts.select(
        same_text("prompt").is_in(probes.select(same_text("question")).to_series().implode())
    ).to_series()
    clean = ~(same.to_numpy() | (scores.closest >= settings.duplicate))
    # Rounded, since the last bits differ between machines and must not decide the order.
    best = scores.topics.max(axis=1).round(5)
    near = np.flatnonzero(clean & (best >= settings.minimum))
    order = near[np.lexsort((prompts["prompt_id"].to_numpy()[near], -best[near]))]
    kept = order[distinct(vectors[order], settings.duplicate)]
    table = _table(prompts, kept, [topics[place] for place in scores.topics.argmax(axis=1)[kept]], best[kept])
    quotas = shares(settings.total, topics)
    parts = {topic: table.filter(pl.col("topic") == topic) for topic in topics}
    chosen = pl.concat([parts[topic].head(quotas[topic]) for topic in topics])
    counts = {
        "prompts": prompts.height,
        "contaminated": int((~clean).sum()),
        "below_minimum": int(clean.sum()) - near.size,
        "duplicates": near.size - kept.size,
        "retrieved": chosen.height,
        "topics": {topic: _topic_counts(parts[topic], quotas[topic]) for topic in topics},
    }
    if chosen.is_empty():
        do = "Lower synthetic.minimum, or check that both were embedded by one model."
        raise ArtifactError("prompts", counts, "prompts that are close to the probe questions", do)
    return Retrieval(chosen, counts)


def score(vectors: FloatMatrix, probe_vectors: FloatMatrix, topics: Sequence[str], nearest: int) -> Scores:
    """The scores of unit vectors (prompts, dimensions) on the topics of the probes, in order of first appearance.

    A score is the mean over the nearest questions, not the maximum: some probe questions are odd, and prompts that are
    close to only one of them are usually off topic.
    """
    columns = {topic: [i for i, name in enumerate(topics) if name == topic] for topic in dict.fromkeys(topics)}
    means, closest = [], []
    for start in range(0, len(vectors), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ probe_vectors.T
        means.append(np.stack([_top_mean(cosines[:, own], nearest) for own in columns.values()], axis=1))
        closest.append(cosines.max(axis=1))
    return Scores(np.concatenate(means), np.concatenate(closest))


def distinct(vectors: FloatMatrix, threshold: float, block: int = 1024) -> NDArray[np.bool_]:
    """Whether to keep each row, (rows,): its cosine with every kept row before it must be below the threshold."""
    keep = np.zeros(len(vectors), dtype=bool)
    kept = np.empty_like(vectors)
    count = 0
    for start in range(0, len(vectors), block):
        rows = vectors[start : start + block]
        free = np.ones(len(rows), dtype=bool)
        for before in range(0, count, block):
            free &= (rows @ kept[before : min(before + block, count)].T).max(axis=1) < threshold
        close = rows @ rows.T >= threshold
        for row in np.flatnonzero(free):
            free[row] = not close[row, :row][free[:row]].any()
        keep[start : start + len(rows)] = free
        kept[count : count + free.sum()] = rows[free]
        count += int(free.sum())
    return keep


def shares(total: int, topics: Sequence[str]) -> dict[str, int]:
    """`total` in equal parts; the remainder goes to the first topics."""
    part, left = divmod(total, len(topics))
    return {topic: part + (number < left) for number, topic in enumerate(topics)}


def write_retrieved(
    candidates: Path,
    vectors: FloatMatrix,
    probes: Path,
    probe_vectors: FloatMatrix,
    settings: RetrievalSettings,
    out: Path,
) -> None:
    """Write the result of `retrieve` to `out` (.parquet), and its counts beside it (.json)."""
    found = retrieve(pl.read_parquet(candidates), vectors, pl.read_parquet(probes), probe_vectors, settings)
    write_json(out.with_suffix(".json"), found.counts)
    write_parquet(out, found.table)


def _require_vectors(name: str, texts: pl.DataFrame, vectors: FloatMatrix, dimensions: int) -> None:
    if texts.is_empty() or vectors.shape != (texts.height, dimensions):
        expected = f"one vector of {dimensions} numbers for each of at least one text"
        raise ArtifactError(f"embeddings of the {name}", f"{vectors.shape} for {texts.height} texts", expected)


def _top_mean(cosines: FloatMatrix, nearest: int) -> FloatMatrix:
    """The mean of the `nearest` highest values of each row, or of all if there are fewer."""
    taken = min(nearest, cosines.shape[1])
    mean: FloatMatrix = np.partition(cosines, -taken, axis=1)[:, -taken:].mean(axis=1)
    return mean


def _table(prompts: pl.DataFrame, rows: NDArray[np.intp], topics: list[str], cosines: FloatMatrix) -> pl.DataFrame:
    found = prompts[rows].with_columns(
        topic=pl.Series(topics, dtype=pl.String), cosine=pl.Series(cosines.astype(np.float64).round(5))
    )
    return found.select("prompt_id", "topic", "source", "cosine", "prompt")


def _topic_counts(found: pl.DataFrame, quota: int) -> dict[str, Any]:
    """Prompts of a topic that could be taken, its quota, how many were taken, and how many are missing (`short`)."""
    chosen = found.head(quota)
    cosines = {name: chosen["cosine"].quantile(share, "linear") for name, share in _QUANTILES.items()}
    return {
        "found": found.height,
        "quota": quota,
        "retrieved": chosen.height,
        "short": quota - chosen.height,
        "sources": dict(sorted(chosen["source"].value_counts().iter_rows())),
        "cosine": cosines,
    }
