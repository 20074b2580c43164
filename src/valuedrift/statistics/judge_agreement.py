"""How often a judge's stances agree with true labels: on a held-out set, and per training stage."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from valuedrift.errors import ArtifactError, require_columns
from valuedrift.statistics.bootstrap import FloatArray
from valuedrift.statistics.intervals import wilson_interval
from valuedrift.statistics.labelled_sample import STAGES, require_labelled
from valuedrift.statistics.panel import ALL, PROBABILITIES, STANCES, most_probable

_SHARES = {
    **dict.fromkeys(("measure", "stance"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    **dict.fromkeys(("count", "answers"), pl.Int64),
}
_STAGE_SHARES = {
    **dict.fromkeys(("model", "stage", "measure", "stance"), pl.String),
    **dict.fromkeys(("value", "low", "high"), pl.Float64),
    "answers": pl.Int64,
}
_Row = tuple[str, str, float | None, float | None, float | None, int | None, int]


def agreement_table(labelled: pl.DataFrame, level: float = 0.95) -> pl.DataFrame:
    """Agreement of a judge with `true_stance`: `measure, stance, value, low, high, count, answers`.

    The judged stance is the most probable one (of equally probable ones, the first of support, neutral, oppose).
    Answers with a null probability count as unjudged and enter no other measure.

    Measures: accuracy (stance "all"), recall and precision per stance, and the share `unjudged`, each as
    count / answers with its Wilson interval; and `unassigned`, the mean probability mass outside the three labels,
    without an interval. Values over no answers are null.

    Args:
        labelled: One row per answer: `true_stance, p_support, p_neutral, p_oppose, unassigned`.
        level: Confidence level of the intervals.

    Raises:
        ArtifactError: There is no row, a column is missing or a true stance is unknown.
    """
    judged = _judged(labelled)
    right = judged.filter(pl.col("true_stance") == pl.col("judged_stance"))
    rows = [
        _share("accuracy", ALL, right.height, judged.height, level),
        *(_conditional("recall", "true_stance", stance, right, judged, level) for stance in STANCES),
        *(_conditional("precision", "judged_stance", stance, right, judged, level) for stance in STANCES),
        _share("unjudged", ALL, labelled.height - judged.height, labelled.height, level),
        _unassigned(judged["unassigned"].drop_nulls()),
    ]
    return pl.DataFrame(rows, schema=_SHARES, orient="row")


def confusion_table(labelled: pl.DataFrame) -> pl.DataFrame:
    """Counts of the judged answers (see `agreement_table`), nine rows: `true_stance, judged_stance, answers`."""
    judged = _judged(labelled)
    rows = [
        (true, found, judged.filter(pl.col("true_stance") == true, pl.col("judged_stance") == found).height)
        for true in STANCES
        for found in STANCES
    ]
    return pl.DataFrame(rows, schema=["true_stance", "judged_stance", "answers"], orient="row")


def stage_agreement(labelled: pl.DataFrame, model: str, level: float) -> pl.DataFrame:
    """Agreement per training stage: `model, stage, measure, stance, value, low, high, answers`.

    Measures of each stage: `accuracy` (stance "all") and `recall` of each true stance, over the answers that the sample
    represents (each answer counts `weight` times); and `unlabelled`, the share of the sample's judged answers that
    have no label. Intervals are Wilson's, with Kish's effective number of answers. Shares of nothing are null.

    Args:
        labelled: A sample as `calibrate_stages` takes it.
        model: Name of the model that gave the answers.
        level: Confidence level of the intervals.
    """
    require_labelled(labelled)
    judged = labelled.drop_nulls((*PROBABILITIES, "weight")).with_columns(judged_stance=most_probable())
    stages = [(stage, judged.filter(stage=stage)) for stage in STAGES]
    rows = [(model, stage, *row) for stage, part in stages if len(part) for row in _stage_rows(part, level)]
    return pl.DataFrame(rows, schema=_STAGE_SHARES, orient="row")


def _judged(labelled: pl.DataFrame) -> pl.DataFrame:
    require_columns("labelled answers", labelled.columns, ("true_stance", *PROBABILITIES, "unassigned"))
    unknown = set(labelled["true_stance"].unique()) - set(STANCES)
    if unknown or labelled.is_empty():
        raise ArtifactError(
            "labelled answers", sorted(map(str, unknown)), f"rows whose true_stance is one of {STANCES}"
        )
    return labelled.drop_nulls(PROBABILITIES).with_columns(judged_stance=most_probable())


def _conditional(
    measure: str, column: str, stance: str, right: pl.DataFrame, judged: pl.DataFrame, level: float
) -> _Row:
    hits, total = (frame.filter(pl.col(column) == stance).height for frame in (right, judged))
    return _share(measure, stance, hits, total, level)


def _share(measure: str, stance: str, count: int, total: int, level: float) -> _Row:
    if total == 0:
        return measure, stance, None, None, None, count, total
    return measure, stance, count / total, *wilson_interval(count, total, level), count, total


def _unassigned(mass: pl.Series) -> _Row:
    mean = mass.mean()
    return "unassigned", ALL, mean if isinstance(mean, float) else None, None, None, None, len(mass)


def _stage_rows(part: pl.DataFrame, level: float) -> Iterator[tuple[object, ...]]:
    known = part.drop_nulls("true_stance")
    yield "accuracy", ALL, *_share_of(known, level)
    for stance in STANCES:
        yield "recall", stance, *_share_of(known.filter(true_stance=stance), level)
    missing = len(part) - len(known)
    yield "unlabelled", ALL, missing / len(part), *wilson_interval(missing, len(part), level), len(part)


def _share_of(part: pl.DataFrame, level: float) -> tuple[float | None, float | None, float | None, int]:
    right = (part["true_stance"] == part["judged_stance"]).to_numpy()
    return *weighted_share(right, part["weight"].cast(pl.Float64).to_numpy(), level), len(part)


def weighted_share(
    right: NDArray[np.bool_], weight: FloatArray, level: float
) -> tuple[float | None, float | None, float | None]:
    """The weighted share of what is `right`, with Wilson's interval for Kish's effective number; None without rows."""
    if not len(right):
        return None, None, None
    share = float(weight[right].sum() / weight.sum())
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    return share, *wilson_interval(share * effective, effective, level)
