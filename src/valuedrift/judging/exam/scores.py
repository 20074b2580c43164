"""The numbers of an exam: how often a judge is right, on which answers, and how well its probabilities fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from valuedrift.judging.checks.against_people import calibration_curve
from valuedrift.statistics.intervals import clustered_interval
from valuedrift.statistics.panel import PROBABILITIES, STANCES, most_probable

GROUPS = ("kind", "topic", "polarity")
"""The columns by which answers are grouped, if the table has them."""
ALL = "all"

Rows = list[dict[str, Any]]


def with_verdicts(judged: pl.DataFrame) -> pl.DataFrame:
    """Add `judged_stance`, the most probable stance (null without one), and `right`."""
    stance = pl.when(pl.col(PROBABILITIES[0]).is_not_null()).then(most_probable())
    return judged.with_columns(judged_stance=stance).with_columns(
        right=pl.col("judged_stance") == pl.col("true_stance")
    )


def accuracy_rows(judged: pl.DataFrame) -> Rows:
    """Compute the accuracy on all answers and on each group of them.

    Answers without a stance are counted, and left out of the accuracy, as values leave them out.

    Returns:
        Rows `by, group, answers, no_stance, accuracy, low, high`, the last three null without stances. The intervals
        have a level of 95 % and take into account that answers with the same argument aren't independent.
    """
    return [{"by": by, "group": group, **_accuracy(part)} for by, group, part in _groups(judged)]


def confusion_rows(judged: pl.DataFrame) -> Rows:
    """Count answers: rows `by, group, true_stance, answers`, the judged stances, and `no_stance`."""
    return [
        {
            "by": by,
            "group": group,
            "true_stance": true,
            "answers": own.height,
            **{stance: own.filter(judged_stance=stance).height for stance in STANCES},
            "no_stance": own["judged_stance"].null_count(),
        }
        for by, group, part in _groups(judged)
        for true in STANCES
        if not (own := part.filter(true_stance=true)).is_empty()
    ]


def calibration(judged: pl.DataFrame) -> dict[str, Any]:
    """Compare the probabilities with the truth.

    Returns:
        `confidence`, the mean probability of the judged stance; `error`, the mean distance between the probability of a
        stance and its observed share, over the `curve` by stance and tenth of probability; `sensitivity`, per stance:
        its mean probability in answers that take it minus that in answers that don't, so the share of a true drift
        between these answers that the judge shows (1 is ideal); null without answers of both kinds.
    """
    found = judged.drop_nulls(PROBABILITIES)
    if found.is_empty():
        return {"confidence": None, "error": None, "sensitivity": dict.fromkeys(STANCES), "curve": []}
    masses = found.select(PROBABILITIES).to_numpy()
    truth = found["true_stance"].replace_strict(STANCES, range(3), return_dtype=pl.Int64).to_numpy()
    curve = list(calibration_curve(masses, truth))
    distances = [abs(point["predicted"] - point["observed"]) * point["answers"] for point in curve]
    sensitivity = {}
    for place, stance in enumerate(STANCES):
        taken, others = (masses[(truth == place) == is_own, place] for is_own in (True, False))
        sensitivity[stance] = float(taken.mean() - others.mean()) if len(taken) and len(others) else None
    return {
        "confidence": float(masses.max(axis=1).mean()),
        "error": sum(distances) / sum(point["answers"] for point in curve),
        "sensitivity": sensitivity,
        "curve": curve,
    }


def _groups(judged: pl.DataFrame) -> list[tuple[str, str, pl.DataFrame]]:
    groups = [
        (by, str(group), part)
        for by in GROUPS
        if by in judged.columns
        for (group,), part in judged.group_by(by, maintain_order=True)
    ]
    return [(ALL, ALL, judged), *groups]


def _accuracy(part: pl.DataFrame) -> dict[str, Any]:
    found = part.drop_nulls("judged_stance")
    counts = {"answers": part.height, "no_stance": part.height - found.height}
    if found.is_empty():
        return {**counts, "accuracy": None, "low": None, "high": None}
    right = found["right"].to_numpy()
    low, high = clustered_interval(right, found["said"].to_numpy())
    return {**counts, "accuracy": float(np.mean(right)), "low": low, "high": high}
