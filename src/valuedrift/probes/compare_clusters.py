"""Measure how far our clusters agree with PRISM's published clusters, which have five example texts each."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from valuedrift.errors import ArtifactError, DataError, require_columns
from valuedrift.files import read_parquet
from valuedrift.input_tables.rows import read_rows
from valuedrift.probes.question_clusters import NOISE
from valuedrift.probes.questions import read_text, same_text

Labels = NDArray[np.int64]


def compare_clusters(clustered: Path, published: Path) -> dict[str, Any]:
    """Return normalised mutual information and purity of our clusters, hard and soft, with PRISM's as the truth.

    Examples are matched to prompts by their text, ignoring case and spacing. `nmi` and `purity` use the matched
    examples of published clusters; examples in our noise count as one more cluster. `with_outliers` also uses PRISM's
    outliers, as one more published cluster. `without_noise` leaves out both our noise and PRISM's outliers. `clusters`
    and `noise` (number of questions) are counts over the whole table.

    Args:
        clustered: Table with `cluster`, `soft_cluster`, and the texts in `prompt` if it has this column, otherwise in
            `question`.
        published: PRISM's table with `cluster_id` (-1 for outliers) and `top_texts`, a Python list of examples.
    """
    table = read_parquet(clustered, "a parquet file of clustered questions", "Cluster first.")
    column = "prompt" if "prompt" in table.columns else "question"
    require_columns(clustered, table.columns, (column, "cluster", "soft_cluster"))
    row_of = {same_text(text): row for row, text in enumerate(table[column])}
    examples = [(label, row_of.get(same_text(text))) for label, text in read_examples(published)]
    matched = [(label, row) for label, row in examples if row is not None]
    if not any(label != NOISE for label, _ in matched):
        raise ArtifactError(clustered, "no example of a published cluster among the prompts", f"those of {published}")
    truth, rows = np.array(matched, dtype=np.int64).T
    ours = {"hard": table["cluster"].to_numpy(), "soft": table["soft_cluster"].to_numpy()}
    return {
        "examples": {"published": len(examples), "matched": len(matched), "outliers": int((truth == NOISE).sum())},
        "published_clusters": len(set(truth.tolist()) - {NOISE}),
        "questions": table.height,
        **{kind: _compare(truth, labels, labels[rows]) for kind, labels in ours.items()},
    }


def read_examples(published: Path) -> list[tuple[int, str]]:
    """Read (cluster id, text) of every example; raises DataError for a malformed row."""
    examples = []
    for number, row in read_rows(published):
        label, listed = (read_text(str(published), number, row, field) for field in ("cluster_id", "top_texts"))
        try:
            cluster = int(label)
        except ValueError:
            raise DataError(published, number, "cluster_id", label, "a whole number") from None
        try:
            texts = ast.literal_eval(listed)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            texts = None
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise DataError(published, number, "top_texts", listed, "a list of texts in Python's notation")
        examples += [(cluster, text) for text in texts]
    return examples


def purity(truth: Labels, found: Labels) -> float:
    """Return the share of items whose true label is the most frequent one in their cluster."""
    largest = [np.bincount(np.unique(truth[found == each], return_inverse=True)[1]).max() for each in np.unique(found)]
    return float(np.sum(largest) / len(truth))


def _compare(truth: Labels, labels: Labels, found: Labels) -> dict[str, Any]:
    topical = truth != NOISE
    noise = int((labels == NOISE).sum())
    return {
        "clusters": len(set(labels.tolist()) - {NOISE}),
        "noise": noise,
        "noise_share": noise / len(labels),
        "examples_in_noise": int((found[topical] == NOISE).sum()),
        **_scores(truth[topical], found[topical]),
        "with_outliers": _scores(truth, found),
        "without_noise": _scores(truth[topical & (found != NOISE)], found[topical & (found != NOISE)]),
    }


def _scores(truth: Labels, found: Labels) -> dict[str, float | int | None]:
    from sklearn.metrics import normalized_mutual_info_score

    if not len(truth):
        return {"examples_rated": 0, "nmi": None, "purity": None}
    nmi = float(normalized_mutual_info_score(truth, found))
    return {"examples_rated": len(truth), "nmi": nmi, "purity": purity(truth, found)}
