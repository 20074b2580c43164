"""Find prompts on the topics (section 6.1): the candidates closest to the topics' probe questions."""

from __future__ import annotations

from collections.abc import Sequence
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


def retrieve(
    prompts: pl.DataFrame,
    vectors: FloatMatrix,
    probes: pl.DataFrame,
    probe_vectors: FloatMatrix,
    settings: RetrievalSettings,
) -> tuple[pl.DataFrame, dict[str, Any]]:
    """Return the prompts closest to each topic's probe questions, with an equal share for each topic.

    A prompt belongs only to the topic of its highest score. The following prompts are left out and counted, in this
    order: prompts that equal a probe question (by text or by cosine), prompts below the minimum score, and
    near-duplicates of a prompt with a higher score. If a topic has too few prompts, no others replace the missing ones.

    Args:
        prompts: Candidates: `prompt_id, source, prompt`.
        vectors: Unit vectors of the candidates, (prompts, dimensions).
        probes: Probe questions: `topic, question`.
        probe_vectors: Unit vectors of the probes, (probes, dimensions).
        settings: Settings of the retrieval.

    Returns:
        The prompts by topic and descending cosine, `prompt_id, topic, source, cosine, prompt`, and the counts.

    Raises:
        ArtifactError: No prompt is left.
    """
    topics = probes["topic"].unique(maintain_order=True).to_list()
    scores, closest = score(vectors, probe_vectors, probes["topic"].to_list(), settings.nearest)
    asked = probes.select(same_text("question")).to_series()
    same = prompts.select(same_text("prompt").is_in(asked.implode())).to_series()
    clean = ~(same.to_numpy() | (closest >= settings.duplicate))
    # Rounded, since rounding errors differ between machines and must not affect the order.
    best = scores.max(axis=1).round(5)
    near = np.flatnonzero(clean & (best >= settings.minimum))
    order = near[np.lexsort((prompts["prompt_id"].to_numpy()[near], -best[near]))]
    kept = order[distinct(vectors[order], settings.duplicate)]
    table = prompts[kept].select(
        "prompt_id",
        pl.Series("topic", [topics[place] for place in scores.argmax(axis=1)[kept]], dtype=pl.String),
        "source",
        pl.Series("cosine", best[kept].astype(np.float64).round(5)),
        "prompt",
    )
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
    return chosen, counts


def score(
    vectors: FloatMatrix, probe_vectors: FloatMatrix, topics: Sequence[str], nearest: int
) -> tuple[FloatMatrix, FloatMatrix]:
    """Measure how close prompts, unit vectors (prompts, dimensions), are to the probe questions.

    Returns:
        Two arrays. The prompts' scores on the topics, in the order of their first probe, (prompts, topics): the mean
        cosine with the `nearest` closest questions of the topic. The maximum isn't used, since some probe questions are
        unusual, and prompts that are close to only one of these are usually off topic. The highest cosine with any
        question, (prompts,).
    """
    columns = {topic: [i for i, name in enumerate(topics) if name == topic] for topic in dict.fromkeys(topics)}
    means, closest = [], []
    for start in range(0, len(vectors), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ probe_vectors.T
        means.append(np.stack([_top_mean(cosines[:, own], nearest) for own in columns.values()], axis=1))
        closest.append(cosines.max(axis=1))
    return np.concatenate(means), np.concatenate(closest)


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
    """Divide `total` equally; if there is a remainder, each of the first topics gets one more."""
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
    """Write the prompts of `retrieve` to `out` (.parquet), and its counts to a .json file next to it."""
    table, counts = retrieve(pl.read_parquet(candidates), vectors, pl.read_parquet(probes), probe_vectors, settings)
    write_json(out.with_suffix(".json"), counts)
    write_parquet(out, table)


def _top_mean(cosines: FloatMatrix, nearest: int) -> FloatMatrix:
    """Return the mean of the `nearest` highest values of each row, or of all values if there are fewer."""
    taken = min(nearest, cosines.shape[1])
    mean: FloatMatrix = np.partition(cosines, -taken, axis=1)[:, -taken:].mean(axis=1)
    return mean


def _topic_counts(found: pl.DataFrame, quota: int) -> dict[str, Any]:
    """Count a topic's available prompts (`found`), and those taken (`retrieved`) or missing (`short`) in its quota."""
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
