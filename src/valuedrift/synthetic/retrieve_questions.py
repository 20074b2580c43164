"""Prompts on the topics (section 6.1): those of preference sets that are closest to the topics' probe questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.config.synthetic_pairs import RetrievalSettings
from valuedrift.digests import text_digest
from valuedrift.errors import ArtifactError
from valuedrift.files import write_json, write_parquet

FloatMatrix = NDArray[np.float32]

_BLOCK = 4096
_QUANTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}


@dataclass(frozen=True)
class Candidates:
    """`table`: prompt_id, source, prompt. `counts`: what became of the rows of the sources."""

    table: pl.DataFrame
    counts: dict[str, int]


@dataclass(frozen=True)
class Retrieval:
    """`table`: prompt_id, topic, source, cosine, prompt, by topic and falling cosine. `counts`: see `retrieve`."""

    table: pl.DataFrame
    counts: dict[str, Any]


@dataclass(frozen=True)
class Scores:
    """How close each prompt is to the probe questions.

    topics: (prompts, topics), the mean cosine with the nearest probe questions of a topic · closest: (prompts,), the
    highest cosine with any probe question
    """

    topics: FloatMatrix
    closest: FloatMatrix


def candidate_prompts(tables: Mapping[str, Path], longest: int) -> Candidates:
    """The opening questions of preference data sets, by name of the data set, in the order of the tables.

    Only the first user turn of a conversation: like a probe question it needs nothing before it. Questions that differ
    in case and spacing alone are one; those of more than `longest` characters are left out, because a sentence encoder
    reads a few hundred words and says nothing about the rest.
    """
    rows = pl.concat([_openings(name, path) for name, path in tables.items()])
    distinct = rows.unique(_same("prompt"), keep="first", maintain_order=True)
    short = distinct.filter(pl.col("prompt").str.len_chars() <= longest)
    counts = {
        "rows": rows.height,
        "repeated": rows.height - distinct.height,
        "too_long": distinct.height - short.height,
        "prompts": short.height,
    }
    ids = pl.Series("prompt_id", [prompt_id(prompt) for prompt in short["prompt"]], dtype=pl.String)
    return Candidates(short.select(ids, "source", "prompt"), counts)


def prompt_id(prompt: str) -> str:
    """The first 16 hex characters of the prompt's SHA-256."""
    return text_digest(prompt)[:16]


def retrieve(
    prompts: pl.DataFrame,
    vectors: FloatMatrix,
    probes: pl.DataFrame,
    probe_vectors: FloatMatrix,
    settings: RetrievalSettings,
) -> Retrieval:
    """The prompts that are closest to each topic's probe questions, an equal share for each topic.

    prompts: prompt_id, source, prompt · vectors: (prompts, dimensions), unit length · probes: topic, question ·
    probe_vectors: (probes, dimensions). A prompt belongs to the topic of its highest score alone. Left out and counted,
    in this order: contaminated (a probe question itself, by text or by cosine), below the minimum, near-duplicates of a
    prompt with a higher score. What a topic lacks is not filled up from others: every topic has its share or less.
    Raises ArtifactError where vectors and texts don't belong together, and where no prompt is left.
    """
    _require_vectors("prompts", prompts, vectors, probe_vectors.shape[-1])
    _require_vectors("probes", probes, probe_vectors, probe_vectors.shape[-1])
    topics = probes["topic"].unique(maintain_order=True).to_list()
    scores = score(vectors, probe_vectors, probes["topic"].to_list(), settings.nearest)
    same = prompts.select(_same("prompt").is_in(probes.select(_same("question")).to_series().implode())).to_series()
    clean = ~(same.to_numpy() | (scores.closest >= settings.duplicate))
    # rounded: the last bits differ between machines, and must not decide about the order
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

    A mean over several nearest questions, and not the maximum: single probe questions are odd, and what is close to one
    of them alone is as a rule off topic.
    """
    columns = {topic: [place for place, name in enumerate(topics) if name == topic] for topic in dict.fromkeys(topics)}
    means, closest = [], []
    for start in range(0, len(vectors), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ probe_vectors.T
        means.append(np.stack([_top_mean(cosines[:, places], nearest) for places in columns.values()], axis=1))
        closest.append(cosines.max(axis=1))
    return Scores(np.concatenate(means), np.concatenate(closest))


def distinct(vectors: FloatMatrix, threshold: float, block: int = 1024) -> NDArray[np.bool_]:
    """Which rows to keep, (rows,): in order, each whose cosine with every kept row before it is below the threshold."""
    keep = np.zeros(len(vectors), dtype=bool)
    kept = np.empty_like(vectors)
    count = 0
    for start in range(0, len(vectors), block):
        rows = vectors[start : start + block]
        free = np.ones(len(rows), dtype=bool)
        for before in range(0, count, block):
            free &= (rows @ kept[before : min(before + block, count)].T).max(axis=1) < threshold
        close = rows @ rows.T >= threshold
        for place in np.flatnonzero(free):
            free[place] = not close[place, :place][free[:place]].any()
        keep[start : start + len(rows)] = free
        kept[count : count + free.sum()] = rows[free]
        count += int(free.sum())
    return keep


def shares(total: int, topics: Sequence[str]) -> dict[str, int]:
    """`total` in equal parts; the first topics take what is left over."""
    part, left = divmod(total, len(topics))
    return {topic: part + (place < left) for place, topic in enumerate(topics)}


def write_candidates(tables: Mapping[str, Path], longest: int, out: Path) -> None:
    """`candidate_prompts` as parquet, with its counts beside it (.json)."""
    candidates = candidate_prompts(tables, longest)
    write_json(out.with_suffix(".json"), candidates.counts)
    write_parquet(out, candidates.table)


def write_retrieved(
    candidates: Path,
    vectors: FloatMatrix,
    probes: Path,
    probe_vectors: FloatMatrix,
    settings: RetrievalSettings,
    out: Path,
) -> None:
    """`retrieve` as parquet, with its counts beside it (.json)."""
    found = retrieve(pl.read_parquet(candidates), vectors, pl.read_parquet(probes), probe_vectors, settings)
    write_json(out.with_suffix(".json"), found.counts)
    write_parquet(out, found.table)


def _openings(name: str, path: Path) -> pl.DataFrame:
    turn = pl.element()
    users = pl.col("prompt").list.eval(turn.filter(turn.struct.field("role") == "user").struct.field("content"))
    rows = pl.scan_parquet(path, glob=False).select(source=pl.lit(name), prompt=users.list.first())
    try:
        return rows.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ArtifactError(path, str(error), "a prepared table of preference pairs") from None


def _same(column: str) -> pl.Expr:
    """What two texts share when they differ in case and spacing alone."""
    return pl.col(column).str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


def _require_vectors(name: str, texts: pl.DataFrame, vectors: FloatMatrix, dimensions: int) -> None:
    if texts.is_empty() or vectors.shape != (texts.height, dimensions):
        expected = f"one vector of {dimensions} numbers for each of at least one text"
        raise ArtifactError(f"embeddings of the {name}", f"{vectors.shape} for {texts.height} texts", expected)


def _top_mean(cosines: FloatMatrix, nearest: int) -> FloatMatrix:
    """The mean of the `nearest` highest values of each row, or of all where there are fewer."""
    taken = min(nearest, cosines.shape[1])
    mean: FloatMatrix = np.partition(cosines, -taken, axis=1)[:, -taken:].mean(axis=1)
    return mean


def _table(prompts: pl.DataFrame, rows: NDArray[np.intp], topics: list[str], cosines: FloatMatrix) -> pl.DataFrame:
    found = prompts[rows].with_columns(
        topic=pl.Series(topics, dtype=pl.String), cosine=pl.Series(cosines.astype(np.float64).round(5))
    )
    return found.select("prompt_id", "topic", "source", "cosine", "prompt")


def _topic_counts(found: pl.DataFrame, quota: int) -> dict[str, Any]:
    """found: prompts that could be taken · quota: the topic's share · retrieved: taken · short: what lacks of it."""
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
